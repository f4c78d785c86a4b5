/**
 * Adaptive conformal inference (Gibbs & Candes 2021): moves a factor on the promised time until as many promises are kept
 * as were meant to be, whatever the errors of the prediction look like.
 *
 *   c <- clip(c + eta (1[observed > promised e^c] - (1 - quantile)), -0.3, 1)
 *
 * Each broken promise lifts c by eta times the quantile, each kept one lowers it by eta times the rest; they balance where
 * the share of broken ones is 1 - quantile. The upper bound covers predictions short by 2.7; the lower one keeps an easy
 * hour from making promises that the next hour breaks.
 */

/** Step: from 0 to its bound in some 40 broken promises; coverage then wanders by less than a point over hundreds. */
const STEP = 0.03;
const CORRECTION_MIN = -0.3;
const CORRECTION_MAX = 1;

/** A promise before its correction and what came of it, ms; `quantile` is the share of promises to keep, 0..1. */
export type PromiseOutcome = {
  readonly promisedMs: number | undefined;
  readonly actualMs: number | undefined;
  readonly quantile: number;
};

/** The correction after one answer, natural logarithm. Unchanged where a time is unknown or not positive. */
export function nextCorrection(correction: number, { promisedMs, actualMs, quantile }: PromiseOutcome): number {
  if (promisedMs === undefined || actualMs === undefined || !(promisedMs > 0) || !(actualMs > 0)) return correction;
  const broken = actualMs > promisedMs * Math.exp(correction) ? 1 : 0;
  return Math.min(CORRECTION_MAX, Math.max(CORRECTION_MIN, correction + STEP * (broken - (1 - quantile))));
}
