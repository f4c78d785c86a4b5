import { fitDecodeCurve } from './decode-curve.ts';
import { type Metric, type RequestSample, series } from './metric.ts';
import { timePerOutputToken } from './tpot-ms.ts';

/** See the definition; 1,000 / gamma of `core/service-model.ts`. */
export const decodeRate: Metric = {
  id: 'decodeTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'decode rate through the served process: 1,000 / constant of the line of TPOT over depth, which is the rate at an empty context; 1,000 / TPOT of the middle prompt where depths were not measured; by the runtime’s own decode time where all tokens of an answer came at once',
  measure: (samples) => {
    const fit = fitDecodeCurve(samples);
    if (fit !== undefined) {
      return series(
        decodeRate,
        fit.repetitions.map((one) => 1000 / one.msPerToken),
        { value: 1000 / fit.curve.msPerToken },
      );
    }
    return series(decodeRate, samples.requests.flatMap(rateOf));
  },
};

function rateOf(request: RequestSample): readonly number[] {
  const seen = timePerOutputToken(request).map((tpot) => 1000 / tpot);
  return seen.length > 0 ? seen : rateByTheRuntime(request);
}

// Of a model so fast that all tokens of an answer come in one piece, only the runtime knows how long they took.
function rateByTheRuntime({ isComplete, outputTokens, decodeMs }: RequestSample): readonly number[] {
  return isComplete && outputTokens > 1 && decodeMs !== undefined && decodeMs > 0
    ? [((outputTokens - 1) * 1000) / decodeMs]
    : [];
}

/** See the definition; delta of `core/service-model.ts`. */
export const decodeContextMs: Metric = {
  id: 'decodeContextMs',
  unit: 'ms per token and token',
  side: 'served',
  definition:
    'what each token of context adds to generating one: slope of the line of TPOT over the depth of the middle token, never below zero',
  measure: (samples) => {
    const fit = fitDecodeCurve(samples);
    if (fit === undefined) return [];
    return series(
      decodeContextMs,
      fit.repetitions.map((one) => one.contextMs),
      { value: fit.curve.contextMs },
    );
  },
};
