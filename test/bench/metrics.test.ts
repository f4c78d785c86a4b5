import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { METRICS } from '../../src/bench/metrics/list.ts';
import {
  type BenchSamples,
  PROMPT_LENGTHS,
  type RequestSample,
  SAMPLES_MIN,
  series,
} from '../../src/bench/metrics/metric.ts';
import { fitPrefillLine } from '../../src/bench/metrics/prefill-line.ts';

const readme = readFileSync(join(import.meta.dirname, '../../bench-results/README.md'), 'utf8');
const nothing: BenchSamples = { loadsMs: [], requests: [], deep: [], peakMemoryBytes: [], raw: undefined };

/**
 * A model with 20 ms fixed, 100 tok/s prefill, 50 ms per output token, 4 characters per token, 10 template tokens. The
 * runtime itself knows nothing of the fixed part, and of 40 ms per output token; behind 1,500 tokens one takes 100 ms.
 */
function ideal(repetitions: number): BenchSamples {
  const requests = Array.from({ length: repetitions }, (_, repetition) =>
    PROMPT_LENGTHS.map((length, index): RequestSample => {
      const promptTokens = [64, 256, 512][index]!;
      const firstMs = 20 + promptTokens * 10;
      const outputTokens = length === 'middle' ? 32 : 4;
      const lastMs = firstMs + (outputTokens - 1) * 50;
      const isComplete = length === 'middle';
      const promptChars = (promptTokens - 10) * 4;
      return {
        repetition,
        length,
        promptChars,
        promptTokens,
        outputTokens,
        firstMs,
        lastMs,
        endMs: lastMs + 1,
        isComplete,
        prefillMs: promptTokens * 10,
        decodeMs: outputTokens * 40,
      };
    }),
  ).flat();
  const deep = requests
    .filter(({ length }) => length === 'long')
    .map((request) => ({ ...request, promptTokens: 1_500, firstMs: 15_020, lastMs: 15_320 }));
  const rates = Array.from({ length: repetitions }, () => 30);
  return {
    loadsMs: rates.map(() => 900),
    requests,
    deep,
    peakMemoryBytes: [5e9],
    raw: { promptTokens: 256, outputTokens: 16, prefillTokensPerSec: rates, decodeTokensPerSec: rates },
  };
}

const valueOfMetric = (id: string, samples: BenchSamples): readonly number[] =>
  METRICS.find((metric) => metric.id === id)!
    .measure(samples)
    .map((one) => one.value);

describe.each(METRICS)('metric $id', (metric) => {
  test('is defined in one sentence here and in the README, with the same words', () => {
    expect(metric.definition.length).toBeGreaterThan(20);
    expect(readme).toContain(`\`${metric.id}\``);
    expect(readme.replaceAll(/\s+/g, ' ')).toContain(metric.definition);
  });

  test('gives nothing for a run that collected nothing', () => {
    expect(metric.measure(nothing)).toEqual([]);
  });

  test('gives a finite value within its interval, labelled with its own name and unit', () => {
    const found = metric.measure(ideal(5));
    expect(found.length).toBeGreaterThan(0);
    for (const one of found) {
      expect(one).toMatchObject({ metric: metric.id, unit: metric.unit, side: metric.side });
      expect(Number.isFinite(one.value)).toBe(true);
      expect(one.low ?? one.value).toBeLessThanOrEqual(one.value);
      expect(one.high ?? one.value).toBeGreaterThanOrEqual(one.value);
      expect(one.n).toBe(one.samples.length);
    }
  });

  test('survives samples of any shape', () => {
    const time = fc.double({ min: 0.001, max: 1e6, noNaN: true });
    const request: fc.Arbitrary<RequestSample> = fc.record({
      repetition: fc.nat(4),
      length: fc.constantFrom(...PROMPT_LENGTHS),
      promptChars: fc.integer({ min: 1, max: 4_000 }),
      promptTokens: fc.integer({ min: 1, max: 2_000 }),
      outputTokens: fc.nat(64),
      firstMs: fc.option(time, { nil: undefined }),
      lastMs: fc.option(time, { nil: undefined }),
      endMs: time,
      isComplete: fc.boolean(),
      prefillMs: fc.option(time, { nil: undefined }),
      decodeMs: fc.option(time, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 12 }), fc.array(request, { maxLength: 3 }), (requests, deep) => {
        for (const one of metric.measure({ ...nothing, requests, deep })) {
          expect(Number.isFinite(one.value)).toBe(true);
          expect(one.value).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the metrics of an ideal model', () => {
  test.each([
    ['loadMs', [900]],
    ['ttftMs', [660, 2_580, 5_140]],
    ['prefillTokensPerSec', [100]],
    ['prefillFixedMs', [20]],
    ['tpotMs', [50]],
    ['decodeTokensPerSec', [20]],
    ['e2eMs', [2_580 + 31 * 50 + 1]],
    ['peakMemoryBytes', [5e9]],
    ['charsPerToken', [4]],
    ['templateTokens', [10]],
    ['rawPrefillTokensPerSec', [30]],
    ['rawDecodeTokensPerSec', [30]],
    ['runtimePrefillMs', [640, 2_560, 5_120]],
    ['runtimePrefillTokensPerSec', [100]],
    ['runtimeDecodeTokensPerSec', [25]],
    ['decodeAtDepthTokensPerSec', [20, 20, 20, 10]],
  ])('%s gives back what the model was made of', (id, values) => {
    const found = valueOfMetric(id, ideal(5));
    expect(found).toHaveLength(values.length);
    for (const [index, value] of values.entries()) expect(found[index]).toBeCloseTo(value, 6);
  });

  test('the prediction TTFT = fixed + P / rate gives the measured TTFT back', () => {
    const samples = ideal(5);
    const [rate] = valueOfMetric('prefillTokensPerSec', samples);
    const [fixed] = valueOfMetric('prefillFixedMs', samples);
    expect(fixed! + (512 / rate!) * 1000).toBeCloseTo(valueOfMetric('ttftMs', samples)[2]!);
  });
});

describe('series', () => {
  test('fewer than five samples are provisional', () => {
    const metric = METRICS[0]!;
    expect(series(metric, [1, 2, 3, 4])[0]?.provisional).toBe(true);
    expect(series(metric, [1, 2, 3, 4, 5])[0]?.provisional).toBe(false);
    expect(SAMPLES_MIN).toBe(5);
  });
});

describe('fitPrefillLine', () => {
  const at = (promptTokens: number, firstMs: number, length: RequestSample['length']): RequestSample => ({
    ...ideal(1).requests[0]!,
    promptTokens,
    firstMs,
    length,
  });

  test('a negative fixed part becomes a line through the origin', () => {
    const requests = [at(10, 5, 'short'), at(100, 100, 'middle'), at(200, 210, 'long')];
    const fit = fitPrefillLine({ ...nothing, requests });
    expect(fit?.line.intercept).toBe(0);
    expect(fit?.line.slope).toBeGreaterThan(1);
  });

  test('a runtime that says 0 ms for every prompt has no rate of its own', () => {
    const requests = ideal(2).requests.map((request) => ({ ...request, prefillMs: 0 }));
    expect(valueOfMetric('runtimePrefillTokensPerSec', { ...nothing, requests })).toEqual([]);
    expect(valueOfMetric('runtimePrefillMs', { ...nothing, requests })).toEqual([0, 0, 0]);
  });

  test('longer prompts that seem faster become a line through the origin too, and one length gives none', () => {
    const requests = [at(10, 50, 'short'), at(100, 40, 'middle'), at(200, 30, 'long')];
    const fit = fitPrefillLine({ ...nothing, requests });
    expect(fit?.line.intercept).toBe(0);
    expect(fit?.line.slope).toBeCloseTo((10 * 50 + 100 * 40 + 200 * 30) / (10 ** 2 + 100 ** 2 + 200 ** 2));
    expect(fitPrefillLine({ ...nothing, requests: requests.slice(0, 1) })).toBeUndefined();
  });
});
