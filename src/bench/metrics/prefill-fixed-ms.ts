import { type Metric, series } from './metric.ts';
import { fitPrefillLine } from './prefill-line.ts';

/** See the definition. */
export const prefillFixedMs: Metric = {
  id: 'prefillFixedMs',
  unit: 'ms',
  side: 'served',
  definition:
    'part of TTFT that does not grow with the prompt: intercept of the line the prefill rate comes from, zero where noise would make it negative',
  measure: (samples) => {
    const fit = fitPrefillLine(samples);
    if (fit === undefined) return [];
    return series(
      prefillFixedMs,
      fit.repetitions.map((line) => line.intercept),
      { value: fit.line.intercept },
    );
  },
};
