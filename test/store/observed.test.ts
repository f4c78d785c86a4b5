import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { observedRows } from '../../src/store/observed.ts';

const figureOf = (observations: Parameters<typeof observedRows>[0], metric: string) =>
  observedRows(observations).find((row) => row.metric === metric)?.figure;

describe('observedRows', () => {
  test('nothing observed gives no figures', () => {
    expect(observedRows([])).toEqual([]);
    expect(observedRows([{ atMs: 0 }])).toEqual([]);
  });

  test('rates leave out cached tokens, short prompts and short answers', () => {
    const seen = [
      { atMs: 1, promptTokens: 120, cachedTokens: 20, prefillMs: 1_000, outputTokens: 40, decodeMs: 2_000 },
      { atMs: 2, promptTokens: 120, cachedTokens: 113, prefillMs: 1, outputTokens: 3, decodeMs: 1 },
    ];
    expect(figureOf(seen, 'prefillTokensPerSec')).toMatchObject({ value: 100, n: 1 });
    expect(figureOf(seen, 'decodeTokensPerSec')).toMatchObject({ value: 20, n: 1 });
    expect(figureOf(seen, 'loadMs')).toBeUndefined();
  });

  test('characters per token and the template come apart when prompts differ in length', () => {
    const seen = [100, 200, 400, 800, 1_600].map((promptChars, index) => ({
      atMs: index,
      promptChars,
      promptTokens: promptChars / 4 + 12,
    }));
    expect(figureOf(seen, 'charsPerToken')?.value).toBeCloseTo(4);
    expect(figureOf(seen, 'templateTokens')?.value).toBeCloseTo(12);
  });

  test('prompts all alike give the ratio alone', () => {
    const seen = Array.from({ length: 9 }, (_, index) => ({ atMs: index, promptChars: 1000, promptTokens: 400 }));
    expect(figureOf(seen, 'charsPerToken')?.value).toBe(2.5);
    expect(figureOf(seen, 'templateTokens')).toBeUndefined();
  });

  test('short prompts tell of the template alone, because their ratio would refuse a long one that fits', () => {
    const seen = [{ atMs: 1, promptChars: 5, promptTokens: 25 }];
    expect(figureOf(seen, 'charsPerToken')).toBeUndefined();
    expect(figureOf(seen, 'templateTokens')).toMatchObject({ value: 25 - 5 / 3.6, n: 1 });
    const both = [...seen, { atMs: 2, promptChars: 1000, promptTokens: 270 }];
    expect(figureOf(both, 'charsPerToken')).toMatchObject({ value: 1000 / 270, n: 1 });
  });

  test('every figure is positive and finite, whatever was seen', () => {
    const count = fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined });
    const time = fc.option(fc.double({ min: 0, max: 1e7, noNaN: true }), { nil: undefined });
    const observation = fc.record({
      atMs: fc.integer({ min: 0, max: 2e12 }),
      promptTokens: count,
      cachedTokens: count,
      outputTokens: count,
      prefillMs: time,
      decodeMs: time,
      loadMs: time,
      promptChars: count,
    });
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 50 }), (seen) => {
        for (const { metric, figure } of observedRows(seen)) {
          expect(figure.value).toBeGreaterThanOrEqual(0);
          if (metric !== 'templateTokens') expect(figure.value).toBeGreaterThan(0);
          expect(figure.n).toBeGreaterThan(0);
        }
      }),
      { numRuns: 200 },
    );
  });
});
