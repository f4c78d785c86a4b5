import { fitLine } from '../../core/stats.ts';
import { type Metric, type RawSamples, type Series, series } from './metric.ts';

/** See the definition. */
export const rawPrefillRate: Metric = {
  id: 'rawPrefillTokensPerSec',
  unit: 'tok/s',
  side: 'raw',
  definition: 'llama-bench prompt processing, 256 tokens in one go, batch 2,048, micro-batch 512, no warm-up',
  measure: ({ raw }) =>
    atDepthZero(raw).flatMap(({ prefillTokensPerSec, promptTokens }) =>
      series(rawPrefillRate, prefillTokensPerSec, { promptTokens }),
    ),
};

/** See the definition. */
export const rawDecodeRate: Metric = {
  id: 'rawDecodeTokensPerSec',
  unit: 'tok/s',
  side: 'raw',
  definition: 'llama-bench text generation, 16 tokens, no warm-up',
  measure: ({ raw }) => atDepthZero(raw).flatMap(({ decodeTokensPerSec }) => series(rawDecodeRate, decodeTokensPerSec)),
};

const atDepthZero = (raw: readonly RawSamples[]): readonly RawSamples[] => raw.filter(({ depth }) => depth === 0);

/** See the definition; only measured by `--raw-only`, because served runs measure it the way requests pay it. */
export const rawPrefillContextMs: Metric = {
  id: 'rawPrefillContextMs',
  unit: 'ms per token and token',
  side: 'raw',
  definition:
    'what each token of context adds to reading one prompt token: slope of llama-bench’s ms per prompt token over the depth of the middle token',
  measure: ({ raw }) =>
    slopes(rawPrefillContextMs, raw, (one) => ({ rates: one.prefillTokensPerSec, ahead: one.promptTokens / 2 })),
};

/** See the definition. */
export const rawDecodeContextMs: Metric = {
  id: 'rawDecodeContextMs',
  unit: 'ms per token and token',
  side: 'raw',
  definition:
    'what each token of context adds to generating one: slope of llama-bench’s ms per generated token over the depth of the middle token',
  measure: ({ raw }) =>
    slopes(rawDecodeContextMs, raw, (one) => ({ rates: one.decodeTokensPerSec, ahead: one.outputTokens / 2 })),
};

type AtDepth = (one: RawSamples) => { readonly rates: readonly number[]; readonly ahead: number };

/** One slope per repetition, never below zero: no token becomes cheaper by what stands before it. */
function slopes(metric: Metric, raw: readonly RawSamples[], at: AtDepth): readonly Series[] {
  const repetitions = Math.min(...raw.map((one) => at(one).rates.length));
  if (raw.length < 2) return [];
  const samples = Array.from({ length: repetitions }, (_, index) => {
    const points = raw.flatMap((one) => {
      const { rates, ahead } = at(one);
      const rate = rates[index];
      return rate === undefined || rate <= 0 ? [] : [{ x: one.depth + ahead, y: 1000 / rate }];
    });
    return Math.max(0, fitLine(points)?.slope ?? 0);
  });
  return series(metric, samples);
}
