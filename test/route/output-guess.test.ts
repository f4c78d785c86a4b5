import { describe, expect, it } from 'vitest';
import type { Workload } from '../../src/core/decision.ts';
import { type Knowledge, NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import { guessOutput } from '../../src/route/output-guess.ts';
import { workload } from './small-policy.ts';

const prior = { quantile: 0.8, outputTokens: 100 };
const key = { class: 'interactive', task: 'chat', family: 'qwen3.5', thinking: false } as const;

/** Lengths of an exponential distribution of this mean. */
const learned = (mean: number): Knowledge => ({
  ...NO_KNOWLEDGE,
  outputTokens: (_, quantile) => ({
    tokens: -mean * Math.log(1 - quantile),
    n: 143,
    basis: 'class interactive, n=143',
  }),
});
const guess = (knowledge: Knowledge, asked: Partial<Workload> = {}, quantile = 0.8) =>
  guessOutput(workload(asked), knowledge, { key, prior, quantile });

describe('guessOutput', () => {
  it('is the prior of the policy until traffic has taught better, with half of it in the middle', () => {
    expect(guess(NO_KNOWLEDGE)).toEqual({
      key,
      tokens: 100,
      medianTokens: 52,
      basis: 'class interactive p80, policy',
    });
  });

  it('a prior that is a median is its own middle', () => {
    const median = { quantile: 0.5, outputTokens: 600 };
    const guessed = guessOutput(workload(), NO_KNOWLEDGE, { key, prior: median, quantile: 0.5 });
    expect(guessed).toMatchObject({ tokens: 600, medianTokens: 600 });
  });

  it('is the quantile and the median that traffic has shown', () => {
    expect(guess(learned(100))).toMatchObject({
      tokens: 161,
      medianTokens: 69,
      basis: 'p80, class interactive, n=143',
    });
    expect(guess(learned(100), {}, 0.85).tokens).toBe(190);
  });

  it('is never more than max_tokens and never less than one', () => {
    expect(guess(learned(100), { outputTokensMax: 16 })).toMatchObject({
      tokens: 16,
      medianTokens: 16,
      basis: 'max_tokens',
    });
    expect(guess(learned(100), { outputTokensMax: 4000 }).tokens).toBe(161);
    expect(guess(learned(100), { outputTokensMax: 0 }).tokens).toBe(1);
    expect(guess(learned(0.01))).toMatchObject({ tokens: 1, medianTokens: 1 });
  });
});
