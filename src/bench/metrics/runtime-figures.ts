import { median } from '../../core/stats.ts';
import { type Metric, PROMPT_LENGTHS, type Series, series } from './metric.ts';
import { fitPrefillCurve, type PrefillTime } from './prefill-curve.ts';

const ownPrefillMs: PrefillTime = (request) => request.prefillMs;

/** See the definition; stands beside `ttftMs`, whose surplus is what everything around the runtime costs. */
export const runtimePrefillMs: Metric = {
  id: 'runtimePrefillMs',
  unit: 'ms',
  side: 'runtime',
  definition:
    'prefill time by the runtime’s own clock (llama-server timings.prompt_ms, RKLLM prefill_time_ms), same requests as ttftMs, at three prompt lengths',
  measure: (samples) =>
    PROMPT_LENGTHS.flatMap((length): readonly Series[] => {
      const seen = samples.requests.filter((request) => request.length === length && request.prefillMs !== undefined);
      const promptTokens = median(seen.map((request) => request.promptTokens));
      return series(
        runtimePrefillMs,
        seen.flatMap((request) => request.prefillMs ?? []),
        promptTokens === undefined ? {} : { promptTokens },
      );
    }),
};

/** See the definition; stands beside `prefillTokensPerSec`. */
export const runtimePrefillRate: Metric = {
  id: 'runtimePrefillTokensPerSec',
  unit: 'tok/s',
  side: 'runtime',
  definition:
    'prefill rate by the runtime’s own clock: 1,000 / linear coefficient of the curve of its prefill time over prompt tokens',
  measure: (samples) => {
    const fit = fitPrefillCurve(samples, ownPrefillMs);
    // A runtime that says 0 ms for every prompt says nothing.
    if (fit === undefined) return [];
    return series(
      runtimePrefillRate,
      fit.repetitions.map((one) => 1000 / one.msPerToken),
      { value: 1000 / fit.curve.msPerToken },
    );
  },
};

/** See the definition; stands beside `decodeTokensPerSec`. */
export const runtimeDecodeRate: Metric = {
  id: 'runtimeDecodeTokensPerSec',
  unit: 'tok/s',
  side: 'runtime',
  definition:
    'decode rate by the runtime’s own clock: output tokens / its decode time (llama-server predicted_n / predicted_ms, RKLLM generate_tokens / generate_time_ms), first token included',
  measure: ({ requests }) =>
    series(
      runtimeDecodeRate,
      requests.flatMap(({ isComplete, outputTokens, decodeMs }) =>
        isComplete && decodeMs !== undefined && decodeMs > 0 && outputTokens > 0
          ? [(outputTokens * 1000) / decodeMs]
          : [],
      ),
    ),
};
