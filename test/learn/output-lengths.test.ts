import { describe, expect, it } from 'vitest';
import type { OutputKey } from '../../src/core/knowledge.ts';
import { createOutputLengths } from '../../src/learn/output-lengths.ts';

const CHAT: OutputKey = { class: 'interactive', task: 'chat', family: 'qwen3.5', thinking: false };
const CODE: OutputKey = { ...CHAT, task: 'code' };

function withAnswers(...answers: readonly (readonly [OutputKey, number, number])[]) {
  const lengths = createOutputLengths();
  for (const [key, count, tokens] of answers) for (let n = 0; n < count; n += 1) lengths.add(key, tokens, false);
  return lengths;
}

describe('createOutputLengths', () => {
  it('knows nothing at first, with or without a prior', () => {
    const lengths = createOutputLengths();
    expect(lengths.outputTokens(CHAT, 0.8)).toBeUndefined();
    expect(lengths.outputTokens(CHAT, 0.8, 300)).toBeUndefined();
    expect(lengths.remainingTokens(CHAT, 10, 0.8)).toBeUndefined();
  });

  it('moves from the prior of the policy to what is seen', () => {
    expect(withAnswers([CHAT, 1, 400]).outputTokens(CHAT, 0.8, 100)?.tokens).toBeLessThan(150);
    expect(withAnswers([CHAT, 200, 400]).outputTokens(CHAT, 0.8, 100)?.tokens).toBeGreaterThan(399);
  });

  it('shrinks a group to its parent as twenty answers would', () => {
    const lengths = withAnswers([CHAT, 100, 50], [CODE, 20, 500]);
    // Of the class's 120 answers 100 are short; of the task's and the leaf's all 20 are long.
    const byTask = (20 * 500 + 20 * 50) / 40;
    const byLeaf = (20 * 500 + 20 * byTask) / 40;
    expect(lengths.outputTokens(CODE, 0.5)).toEqual({
      tokens: byLeaf,
      n: 20,
      basis: 'class interactive, task code, family qwen3.5, n=20',
    });
  });

  it('answers for a family it has not met by the task', () => {
    const lengths = withAnswers([CHAT, 50, 80]);
    expect(lengths.outputTokens({ ...CHAT, family: 'gemma3' }, 0.5)).toEqual({
      tokens: 80,
      n: 50,
      basis: 'class interactive, task chat, n=50',
    });
  });

  it('keeps answers of thinking models apart', () => {
    const lengths = withAnswers([CHAT, 50, 80]);
    expect(lengths.outputTokens({ ...CHAT, thinking: true }, 0.5)).toBeUndefined();
    lengths.add({ ...CHAT, thinking: true }, 900, false);
    expect(lengths.outputTokens(CHAT, 0.9)?.tokens).toBe(80);
  });

  it('tells what is still to come by the answers that were longer', () => {
    const lengths = createOutputLengths();
    for (let tokens = 10; tokens <= 200; tokens += 10) lengths.add(CHAT, tokens, false);
    expect(lengths.remainingTokens(CHAT, 0, 0.5)).toBe(100);
    expect(lengths.remainingTokens(CHAT, 100, 0.5)).toBe(50);
    expect(lengths.remainingTokens(CHAT, 180, 0.5)).toBe(10);
    expect(lengths.remainingTokens(CHAT, 200, 0.5)).toBeUndefined();
  });

  it('goes on from what it gave out', () => {
    const lengths = withAnswers([CHAT, 30, 80], [CODE, 30, 300]);
    lengths.add(CODE, 900, true);
    const copy = createOutputLengths(new Map(lengths.all()));
    for (const key of [CHAT, CODE]) expect(copy.outputTokens(key, 0.9)).toEqual(lengths.outputTokens(key, 0.9));
    expect(copy.all()).toEqual(expect.arrayContaining([...lengths.all()]));
  });

  it('gives out each changed group once', () => {
    const lengths = withAnswers([CHAT, 2, 80]);
    expect(lengths.takeChanged().map(([name]) => name)).toEqual([
      'interactive/chat/qwen3.5',
      'interactive/chat',
      'interactive',
    ]);
    expect(lengths.takeChanged()).toEqual([]);
  });

  it('takes no answer without a token for one', () => {
    const lengths = createOutputLengths();
    for (const tokens of [0, -4, Number.NaN, Number.POSITIVE_INFINITY]) lengths.add(CHAT, tokens, false);
    expect(lengths.all()).toEqual([]);
  });
});
