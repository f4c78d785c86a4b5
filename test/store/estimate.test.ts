import { describe, expect, test } from 'vitest';
import { estimatedRows, fitSizeLaw } from '../../src/store/estimate.ts';
import { modelFacts } from '../helpers/policy-values.ts';

describe('fitSizeLaw', () => {
  test('gives the reference table back within a quarter, and falls with size', () => {
    const law = fitSizeLaw([]);
    for (const [billions, decode] of [
      [0.8, 8.07],
      [2, 5.54],
      [9, 1.62],
      [27, 0.54],
    ] as const) {
      expect(law.rate('decodeTokensPerSec', billions) / decode).toBeGreaterThan(0.75);
      expect(law.rate('decodeTokensPerSec', billions) / decode).toBeLessThan(1.25);
    }
    expect(law.rate('prefillTokensPerSec', 2)).toBeGreaterThan(law.rate('prefillTokensPerSec', 9));
  });

  test('moves by the median of what other models showed, per metric', () => {
    const plain = fitSizeLaw([]);
    const at = (value: number) => ({ parametersBillion: 4, metric: 'decodeTokensPerSec' as const, value });
    const base = plain.rate('decodeTokensPerSec', 4);
    const moved = fitSizeLaw([at(base * 2), at(base * 3), at(base * 100)]);
    expect(moved.rate('decodeTokensPerSec', 8)).toBeCloseTo(3 * plain.rate('decodeTokensPerSec', 8));
    expect(moved.rate('prefillTokensPerSec', 8)).toBe(plain.rate('prefillTokensPerSec', 8));
  });
});

describe('estimatedRows', () => {
  const law = fitSizeLaw([]);
  const values = (file: string, facts?: ReturnType<typeof modelFacts>) =>
    Object.fromEntries(estimatedRows({ file }, facts, law).map((row) => [row.metric, row.figure.value]));

  test('with facts, memory is their formula and the load follows the file', () => {
    const found = values('/m/x-4b.gguf', modelFacts({ weightsBytes: 1_500_000_000, estimatedMemoryBytes: 3e9 }));
    expect(found).toMatchObject({ peakMemoryBytes: 3e9, loadMs: 10_500 });
  });

  test('without facts, the name gives size and bits per weight', () => {
    expect(values('/m/x-2b-w8a8.rkllm').peakMemoryBytes).toBe(2e9);
    expect(values('/m/x-2b-f16.gguf').peakMemoryBytes).toBe(4e9);
    expect(values('/m/x-4b-Q4_K_M.gguf').peakMemoryBytes).toBe(2.25e9);
  });

  test('a name that tells nothing gives no figures', () => {
    expect(values('/m/model.gguf')).toEqual({});
  });
});
