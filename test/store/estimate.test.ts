import { describe, expect, test } from 'vitest';
import { estimatedRows, fitSizeLaw } from '../../src/store/estimate.ts';
import { loadReference } from '../../src/store/reference.ts';
import { modelFacts } from '../helpers/policy-values.ts';

const reference = loadReference();

describe('fitSizeLaw', () => {
  test('gives the reference table back within a third, and falls with size', () => {
    const law = fitSizeLaw(reference, []);
    for (const [billions, decode] of [
      [0.8, 8.07],
      [2, 5.54],
      [9, 1.62],
      [27, 0.54],
    ] as const) {
      expect((law.rate('decodeTokensPerSec', billions) ?? 0) / decode).toBeGreaterThan(0.66);
      expect((law.rate('decodeTokensPerSec', billions) ?? 0) / decode).toBeLessThan(1.5);
    }
    expect(law.rate('prefillTokensPerSec', 2) ?? 0).toBeGreaterThan(law.rate('prefillTokensPerSec', 9) ?? 0);
  });

  test('moves by the median of what other models showed, per metric', () => {
    const plain = fitSizeLaw(reference, []);
    const at = (value: number) => ({ parametersBillion: 4, metric: 'decodeTokensPerSec' as const, value });
    const base = plain.rate('decodeTokensPerSec', 4) ?? 0;
    const moved = fitSizeLaw(reference, [at(base * 2), at(base * 3), at(base * 100)]);
    expect(moved.rate('decodeTokensPerSec', 8)).toBeCloseTo(3 * (plain.rate('decodeTokensPerSec', 8) ?? 0));
    expect(moved.rate('prefillTokensPerSec', 8)).toBe(plain.rate('prefillTokensPerSec', 8));
  });

  test('an empty table knows nothing', () => {
    expect(fitSizeLaw({ entries: [] }, []).rate('decodeTokensPerSec', 4)).toBeUndefined();
  });
});

describe('estimatedRows', () => {
  const law = fitSizeLaw(reference, []);
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
