import { type Metric, series } from './metric.ts';
import { fitPrefillCurve } from './prefill-curve.ts';

/** See the definition. */
export const prefillRate: Metric = {
  id: 'prefillTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'prefill rate through the served process at the beginning of a context: 1,000 / linear coefficient of the least-squares curve of TTFT over prompt tokens (medians per length; a line without the extra long prompt); samples are the curves of single repetitions',
  measure: (samples) => {
    const fit = fitPrefillCurve(samples);
    if (fit === undefined) return [];
    return series(
      prefillRate,
      fit.repetitions.map((one) => 1000 / one.msPerToken),
      { value: 1000 / fit.curve.msPerToken },
    );
  },
};

/** See the definition; beta of `core/service-model.ts`. */
export const prefillContextMs: Metric = {
  id: 'prefillContextMs',
  unit: 'ms per token and token',
  side: 'served',
  definition:
    'what each token of context adds to reading one prompt token: twice the quadratic coefficient of the curve the prefill rate comes from, never below zero; only with the extra long prompt',
  measure: (samples) => {
    const fit = fitPrefillCurve(samples);
    if (fit?.curve.contextMs === undefined) return [];
    return series(
      prefillContextMs,
      fit.repetitions.flatMap(({ contextMs }) => contextMs ?? []),
      { value: fit.curve.contextMs },
    );
  },
};
