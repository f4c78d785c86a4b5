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
import { fitNonNegative } from '../../src/bench/metrics/non-negative-fit.ts';
import { fitPrefillCurve } from '../../src/bench/metrics/prefill-curve.ts';
import { TASKS } from '../../src/core/classes.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../../src/core/service-model.ts';

const readme = readFileSync(join(import.meta.dirname, '../../bench-results/README.md'), 'utf8');
const nothing: BenchSamples = {
  ...{ loadsMs: [], coldLoadsMs: [], unloadsMs: [], requests: [], deep: [] },
  ...{ peakMemoryBytes: [], proportionalMemoryBytes: [], raw: [], sustained: [], answers: [] },
};

/**
 * A model with 20 ms fixed, 100 tok/s prefill plus 2 us per token of context, 50 ms per output token plus 10 us per token
 * of context, 4 characters per token, 10 template tokens. The runtime itself knows nothing of the fixed part, and of 40 ms
 * per output token.
 */
function ideal(repetitions: number): BenchSamples {
  const requests = Array.from({ length: repetitions }, (_, repetition) =>
    [...PROMPT_LENGTHS, 'deep' as const].map((length, index): RequestSample => {
      const promptTokens = [64, 256, 512, 1_500][index]!;
      const firstMs = 20 + promptTokens * (10 + (0.002 * promptTokens) / 2);
      const outputTokens = length === 'middle' ? 32 : 16;
      const lastMs = firstMs + (outputTokens - 1) * (50 + 0.01 * (promptTokens + outputTokens / 2));
      const isComplete = length === 'middle';
      const promptChars = (promptTokens - 10) * 4;
      return {
        repetition,
        length: length === 'deep' ? 'long' : length,
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
  const isDeep = ({ promptTokens }: RequestSample) => promptTokens > 1_000;
  const rates = Array.from({ length: repetitions }, () => 30);
  return {
    loadsMs: rates.map(() => 900),
    coldLoadsMs: [9_000],
    unloadsMs: rates.map(() => 150),
    requests: requests.filter((request) => !isDeep(request)),
    deep: requests.filter(isDeep),
    peakMemoryBytes: [5e9],
    proportionalMemoryBytes: rates.map(() => 4e9),
    raw: [0, 512].map((depth) => ({
      ...{ depth, promptTokens: 256, outputTokens: 16 },
      prefillTokensPerSec: rates.map(() => 1000 / (20 + 0.003 * (depth + 128))),
      decodeTokensPerSec: rates.map(() => 1000 / (40 + 0.02 * (depth + 8))),
    })),
    sustained: [30, 24, 20].map((decodeTokensPerSec, index) => ({ atMs: (index + 1) * 60_000, decodeTokensPerSec })),
    // Three of four right in each task; one of twenty answers has fallen apart.
    answers: Array.from({ length: 160 }, (_, index) => ({
      item: `item-${index}`,
      task: TASKS[index % TASKS.length]!,
      right: Math.floor(index / TASKS.length) % 4 !== 0,
      ...(index % 20 === 0 ? { sign: 'loop' } : {}),
    })),
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
    ['loadColdMs', [9_000]],
    ['unloadMs', [150]],
    ['ttftMs', [64, 256, 512].map((tokens) => 20 + tokens * (10 + 0.001 * tokens))],
    ['prefillTokensPerSec', [100]],
    ['prefillFixedMs', [20]],
    ['prefillContextMs', [0.002]],
    ['tpotMs', [50 + 0.01 * 272]],
    ['decodeTokensPerSec', [20]],
    ['decodeContextMs', [0.01]],
    ['e2eMs', [20 + 256 * (10 + 0.256) + 31 * (50 + 0.01 * 272) + 1]],
    ['peakMemoryBytes', [5e9]],
    ['proportionalMemoryBytes', [4e9]],
    ['charsPerToken', [4]],
    ['templateTokens', [10]],
    ['rawPrefillTokensPerSec', [1000 / 20.384]],
    ['rawDecodeTokensPerSec', [1000 / 40.16]],
    ['rawPrefillContextMs', [0.003]],
    ['rawDecodeContextMs', [0.02]],
    ['runtimePrefillMs', [640, 2_560, 5_120]],
    ['runtimePrefillTokensPerSec', [100]],
    ['runtimeDecodeTokensPerSec', [25]],
    ['decodeAtDepthTokensPerSec', [72, 272, 520, 1_508].map((depth) => 1000 / (50 + 0.01 * depth))],
    ['sustainedDecodeTokensPerSec', [20]],
    ['sustainedShare', [2 / 3]],
    ['quality.code', [0.75]],
    ['quality.chat', [0.75]],
    ['degenerateAnswers', [0.05]],
  ])('%s gives back what the model was made of', (id, values) => {
    const found = valueOfMetric(id, ideal(5));
    expect(found).toHaveLength(values.length);
    for (const [index, value] of values.entries()) expect(found[index]).toBeCloseTo(value, 6);
  });

  test('the service model made of the figures gives the measured times back', () => {
    const samples = ideal(5);
    const value = (id: string) => valueOfMetric(id, samples)[0]!;
    const service: ServiceModel = {
      prefillFixedMs: value('prefillFixedMs'),
      prefillMsPerToken: 1000 / value('prefillTokensPerSec'),
      prefillContextMs: value('prefillContextMs'),
      decodeMsPerToken: 1000 / value('decodeTokensPerSec'),
      decodeContextMs: value('decodeContextMs'),
      ...{ loadMs: 0, loadColdMs: undefined, unloadMs: 0 },
    };
    expect(prefillMsOf(service, 512)).toBeCloseTo(valueOfMetric('ttftMs', samples)[2]!);
    expect(prefillMsOf(service, 256) + decodeMsOf(service, 256, 32)).toBeCloseTo(value('e2eMs') - 1);
  });

  test('a rate that no reader can see is taken from the runtime', () => {
    const samples = ideal(5);
    const atOnce = samples.requests.map((request) => ({ ...request, lastMs: request.firstMs }));
    const [rate] = valueOfMetric('decodeTokensPerSec', { ...samples, requests: atOnce, deep: [] });
    expect(rate).toBeCloseTo((31 * 1000) / (32 * 40), 6);
  });

  test('without an extra long prompt nothing is said of growing prefill costs, and a line is fitted', () => {
    const samples = { ...ideal(5), deep: [] };
    expect(valueOfMetric('prefillContextMs', samples)).toEqual([]);
    expect(valueOfMetric('prefillTokensPerSec', samples)[0]).within(90, 100);
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

describe('fitPrefillCurve', () => {
  const at = (promptTokens: number, firstMs: number, length: RequestSample['length']): RequestSample => ({
    ...ideal(1).requests[0]!,
    promptTokens,
    firstMs,
    length,
  });

  test('a negative fixed part becomes a line through the origin', () => {
    const requests = [at(10, 5, 'short'), at(100, 100, 'middle'), at(200, 210, 'long')];
    const fit = fitPrefillCurve({ ...nothing, requests });
    expect(fit?.curve.fixedMs).toBe(0);
    expect(fit?.curve.msPerToken).within(0.5, 1.05);
  });

  test('a runtime that says 0 ms for every prompt has no rate of its own', () => {
    const requests = ideal(2).requests.map((request) => ({ ...request, prefillMs: 0 }));
    expect(valueOfMetric('runtimePrefillTokensPerSec', { ...nothing, requests })).toEqual([]);
    expect(valueOfMetric('runtimePrefillMs', { ...nothing, requests })).toEqual([0, 0, 0]);
  });

  test('longer prompts that seem faster become a line through the origin too, and one length gives none', () => {
    const requests = [at(10, 50, 'short'), at(100, 40, 'middle'), at(200, 30, 'long')];
    const fit = fitPrefillCurve({ ...nothing, requests });
    expect(fit?.curve.fixedMs).toBe(0);
    expect(fit?.curve.msPerToken).toBeGreaterThan(0);
    expect(fitPrefillCurve({ ...nothing, requests: requests.slice(0, 1) })).toBeUndefined();
  });
});

describe('fitNonNegative', () => {
  const columns = [() => 1, (x: number) => x, (x: number) => (x * x) / 2];

  test('gives costs that are not negative back from points that follow them', () => {
    const cost = fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 10, noNaN: true }));
    fc.assert(
      fc.property(cost, fc.double({ min: 0.1, max: 10, noNaN: true }), cost, (a, b, c) => {
        const points = [64, 256, 512, 1_500, 3_000].map((x) => ({ x, y: a + b * x + ((c / 1e4) * (x * x)) / 2 }));
        const [fixed, perToken, perContext] = fitNonNegative(points, columns, 1)!;
        expect(Math.abs(fixed! - a)).toBeLessThan(1e-3 + a * 1e-3);
        expect(Math.abs(perToken! - b)).toBeLessThan(b * 1e-3);
        expect(Math.abs(perContext! - c / 1e4)).toBeLessThan(1e-6 + c * 1e-7);
      }),
    );
  });

  test('never gives a negative coefficient, whatever the noise', () => {
    const y = fc.double({ min: 0.001, max: 1e5, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.record({ x: fc.integer({ min: 1, max: 4_000 }), y }), { maxLength: 8 }), (points) => {
        for (const value of fitNonNegative(points, columns, 1) ?? []) expect(value).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
