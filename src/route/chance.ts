import type { Prediction } from '../core/decision.ts';

/** Spread that no knowledge of the length takes away: waits and service times are predicted to about a tenth. */
const LOG_SPREAD_MIN = 0.1;
/** The logistic curve with this slope is within 0.01 of the normal distribution. */
const LOGISTIC_SLOPE = 1.702;

/**
 * Probability that a run ends by its end-to-end target (ms), 0..1: that its answer is short enough for the time left after
 * wait, load and prefill. Lengths are log-normal through the two that are predicted, the median and the one at the class's
 * quantile. 1 without a target; at the promise itself about the quantile.
 */
export function chanceInTime(
  predicted: Pick<
    Prediction,
    'decodeMs' | 'decodeMedianMs' | 'quantile' | 'uncorrectedTtftMs' | 'uncorrectedE2eMs' | 'e2eMs'
  >,
  targetMs: number | undefined,
): number {
  if (targetMs === undefined) return 1;
  const { decodeMs, decodeMedianMs, quantile, uncorrectedTtftMs, uncorrectedE2eMs, e2eMs } = predicted;
  const decodeLeftMs = (targetMs * uncorrectedE2eMs) / e2eMs - uncorrectedTtftMs;
  if (!(decodeLeftMs > 0)) return 0;
  const score = Math.log(quantile / (1 - quantile)) / LOGISTIC_SLOPE;
  const spread = score > 0 ? Math.log(decodeMs / decodeMedianMs) / score : 0;
  const steps = Math.log(decodeLeftMs / decodeMedianMs) / Math.max(LOG_SPREAD_MIN, spread);
  return 1 / (1 + Math.exp(-LOGISTIC_SLOPE * steps));
}
