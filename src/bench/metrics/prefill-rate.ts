import { type Metric, series } from './metric.ts';
import { fitPrefillLine } from './prefill-line.ts';

/** See the definition. */
export const prefillRate: Metric = {
  id: 'prefillTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'prefill rate through the served process: 1,000 / slope of the least-squares line of TTFT over prompt tokens (medians per length); samples are the lines of single repetitions',
  measure: (samples) => {
    const fit = fitPrefillLine(samples);
    if (fit === undefined) return [];
    return series(
      prefillRate,
      fit.repetitions.map((line) => 1000 / line.slope),
      { value: 1000 / fit.line.slope },
    );
  },
};
