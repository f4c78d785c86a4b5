import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { createPrefixMarker } from '../../src/core/prefix-marks.ts';
import type { RuntimeConnection } from '../../src/core/runtime.ts';
import { createTokenCounter } from '../../src/serve/token-counter.ts';
import { createTokenCounts } from '../../src/serve/token-counts.ts';
import type { SupervisedModel } from '../../src/supervise/supervisor-types.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelFacts } from '../helpers/policy-values.ts';

function prompt(...texts: readonly string[]) {
  const marker = createPrefixMarker();
  for (const [index, text] of texts.entries()) {
    marker.begin(index % 2 === 0 ? 'user' : 'assistant');
    marker.text(text);
    marker.end();
  }
  return marker.marks();
}

const [T, U] = ['gpt2-111111111111', 'llama-222222222222'];

describe('createTokenCounts', () => {
  it('recalls a prompt it has seen, by each tokenizer that counted it', () => {
    const counts = createTokenCounts();
    const seen = prompt('Hello');
    expect(counts.recall(seen)).toBeUndefined();
    counts.remember(T, { prefix: seen, tokens: 9, by: 'a' });
    counts.remember(U, { prefix: seen, tokens: 11, by: 'b' });
    counts.remember(T, { prefix: seen, tokens: 10, by: 'c' });
    expect(counts.recall(prompt('Hello'))).toEqual([
      { tokenizer: U, tokens: 11, chars: 5, messages: 1, basis: 'counted by b' },
      { tokenizer: T, tokens: 10, chars: 5, messages: 1, basis: 'counted by c' },
    ]);
    expect(counts.recall(prompt('Other'))).toBeUndefined();
  });

  it('recalls the longest beginning of a conversation that was counted', () => {
    const counts = createTokenCounts();
    counts.remember(T, { prefix: prompt('Hello'), tokens: 9, by: 'a' });
    counts.remember(U, { prefix: prompt('Hello'), tokens: 8, by: 'b' });
    counts.remember(T, { prefix: prompt('Hello', 'Hi', 'More'), tokens: 30, by: 'a' });
    const next = prompt('Hello', 'Hi', 'More', 'Yes', 'Again');
    expect(counts.recall(next)?.map(({ tokenizer, tokens }) => [tokenizer, tokens])).toEqual([
      [T, 30],
      [U, 8],
    ]);
  });

  it('keeps the 512 prompts counted last', () => {
    const counts = createTokenCounts();
    for (let index = 0; index < 600; index += 1)
      counts.remember(T, { prefix: prompt(`number ${index}`), tokens: 5, by: 'a' });
    expect(counts.recall(prompt('number 87'))).toBeUndefined();
    expect(counts.recall(prompt('number 88'))).toHaveLength(1);
  });

  it('is far from sure before three prompts, and as sure as they were alike afterwards', () => {
    const alike = createTokenCounts();
    const mixed = createTokenCounts();
    expect(alike.spreadOf(T)).toBe(0.6);
    for (let index = 1; index <= 20; index += 1) {
      const text = 'word '.repeat(40 * index);
      alike.remember(T, { prefix: prompt(`${index}${text}`), tokens: (text.length + 20) / 4, by: 'a' });
      const perToken = index % 2 === 0 ? 4 : 2;
      mixed.remember(T, { prefix: prompt(`${index}${text}`), tokens: text.length / perToken, by: 'a' });
    }
    expect(alike.spreadOf(T)).toBe(0.05);
    expect(mixed.spreadOf(T)).toBeGreaterThan(0.5);
    expect(mixed.spreadOf(U)).toBe(0.6);
  });
});

describe('createTokenCounter', () => {
  const prefix = prompt('Hello');
  const request = { tokenizers: new Set([T]), prefix, body: Buffer.from('{}'), limitMs: 50 };

  function setUp(connection: Partial<RuntimeConnection> | undefined) {
    const clock = fakeClock();
    const counts = createTokenCounts();
    const view = { facts: modelFacts({ tokenizer: T }) } as SupervisedModel;
    const views = new Map([[modelId('a'), view]]);
    const connectionOf = () => connection as RuntimeConnection | undefined;
    return { clock, counts, counter: createTokenCounter({ clock, counts, views: () => views, connectionOf }) };
  }

  it('asks a child with the tokenizer and keeps what it says', async () => {
    const { counter, counts, clock } = setUp({ countTokens: async () => 12 });
    const expected = [{ tokenizer: T, tokens: 12, chars: 5, messages: 1, basis: 'counted by a' }];
    expect(await counter.count(request)).toEqual(expected);
    expect(counts.recall(prefix)).toEqual(expected);
    expect(clock.timers()).toBe(0);
  });

  it.each([
    ['no child is up', undefined],
    ['the child cannot count', {}],
    ['the child has no answer', { countTokens: async () => undefined }],
    ['the child fails', { countTokens: () => Promise.reject(new Error('socket hang up')) }],
  ])('counts nothing where %s', async (_, connection) => {
    const { counter, counts, clock } = setUp(connection);
    expect(await counter.count(request)).toEqual([]);
    expect(counts.recall(prefix)).toBeUndefined();
    expect(clock.timers()).toBe(0);
  });

  it('counts nothing by a child with another tokenizer', async () => {
    const { counter } = setUp({ countTokens: async () => 12 });
    expect(await counter.count({ ...request, tokenizers: new Set([U]) })).toEqual([]);
  });

  it('waits no longer than the limit, and keeps a late count for the next turn', async () => {
    let answer: (tokens: number) => void = () => undefined;
    const late = new Promise<number>((resolve) => {
      answer = resolve;
    });
    const { counter, counts, clock } = setUp({ countTokens: () => late });
    const counting = counter.count(request);
    clock.advance(50);
    expect(await counting).toEqual([]);
    answer(12);
    await late;
    await Promise.resolve();
    expect(counts.recall(prefix)).toHaveLength(1);
  });

  it('gives a child up that never answers', async () => {
    let signal: AbortSignal | undefined;
    const { counter, clock } = setUp({
      countTokens: (_, given) => {
        signal = given;
        return new Promise(() => undefined);
      },
    });
    const counting = counter.count(request);
    clock.advance(50);
    await counting;
    expect(signal?.aborted).toBe(false);
    clock.advance(1_950);
    expect(signal?.aborted).toBe(true);
  });
});
