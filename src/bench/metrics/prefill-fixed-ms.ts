import { type Metric, series } from './metric.ts';
import { fitPrefillCurve } from './prefill-curve.ts';

/** See the definition. */
export const prefillFixedMs: Metric = {
  id: 'prefillFixedMs',
  unit: 'ms',
  side: 'served',
  definition:
    'part of TTFT that does not grow with the prompt: constant of the curve the prefill rate comes from, never below zero',
  measure: (samples) => {
    const fit = fitPrefillCurve(samples);
    if (fit === undefined) return [];
    return series(
      prefillFixedMs,
      fit.repetitions.map((one) => one.fixedMs),
      { value: fit.curve.fixedMs },
    );
  },
};
