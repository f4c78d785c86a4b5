import { PROFILE_METRICS, type ProfileMetric } from '../core/profile.ts';
import type { Series } from './metrics/metric.ts';
import type { BenchFigure } from './result.ts';

/** Raw metrics that stand in for a profile's metric when a run measured nothing served. */
const RAW_STANDS_FOR: Readonly<Record<string, ProfileMetric>> = {
  rawPrefillTokensPerSec: 'prefillTokensPerSec',
  rawDecodeTokensPerSec: 'decodeTokensPerSec',
  rawPrefillContextMs: 'prefillContextMs',
  rawDecodeContextMs: 'decodeContextMs',
};

/**
 * What a model's series say about its profile, one figure per metric and side. The store prefers `served` over `raw`:
 * a request pays for tokenizer, sampling and HTTP, which llama-bench leaves out.
 */
export function figuresOf(
  series: readonly Series[],
  run: { readonly id: string; readonly at: string },
): readonly BenchFigure[] {
  return series.flatMap((one): readonly BenchFigure[] => {
    const metric = isProfileMetric(one.metric) ? one.metric : RAW_STANDS_FOR[one.metric];
    // The runtime's own figures are for comparing: what a request waits for is more than the runtime knows.
    const { value, n, side } = one;
    if (metric === undefined || side === 'runtime') return [];
    const provisional = one.provisional ? ', provisional' : '';
    const source = `${side === 'raw' ? 'llama-bench, ' : ''}run ${run.id}${provisional}`;
    const interval = one.low === undefined || one.high === undefined ? {} : { low: one.low, high: one.high };
    return [{ metric, side, value, n, ...interval, source, at: run.at }];
  });
}

const isProfileMetric = (name: string): name is ProfileMetric => (PROFILE_METRICS as readonly string[]).includes(name);
