/**
 * Notices that a device has become slower than it was: one-sided CUSUM (Page 1954) on the log ratio x of observed to
 * benchmarked time, around the level of its model, in units of the model's own noise.
 *
 *   z = (x - level) / sigma,   S <- max(0, S + z - 0.625),   alarm when S > 6.25
 *
 * At sigma = 0.08 these are the delta = 0.05 and lambda = 0.5 of the routing study. Its second pair, for noisier engines,
 * alarms once in 1,043 samples, so both are scaled with sigma instead. The level is the mean of the samples and not the
 * Kalman filter's kappa, which follows a slow drift so closely that none would ever be noticed. S is one per device:
 * what slows a device slows all its models, and each sample counts whoever it comes from.
 */
export type Watch = { sum: number; drifting: boolean };

/** Usual log ratio of one model in one phase, and its noise. */
export type Level = {
  mean: number;
  /** Mean absolute difference of successive samples: tells their noise whatever their level does. */
  spread: number;
  previous?: number | undefined;
  n: number;
};

/** Samples the level is the mean of; from then on it moves by their reciprocal. */
const LEVEL_SAMPLES = 500;
/** A level that rests on fewer samples watches nothing yet. */
const SAMPLES_MIN = 20;
/** Below this, the sigma of a quiet machine, less noise does not make the alarm more nervous. */
const SIGMA_MIN = 0.08;
const SIGMA_MAX = 0.4;
const SIGMA_START = 0.12;
const SPREAD_WEIGHT = 1 / 40;
/** A difference beyond this says nothing of the noise. */
const DIFFERENCE_MAX = 1;
/** E|a - b| of two normal values of standard deviation 1 is 2 / sqrt(pi). */
const SPREAD_OF_SIGMA = 2 / Math.sqrt(Math.PI);
const SLACK = 0.625;
const ALARM = 6.25;
/** One sample counts at most this much, so that a single stalled request is no alarm. */
const SAMPLE_MAX = 3.5;

/** A device of which nothing was seen. */
export const newWatch = (): Watch => ({ sum: 0, drifting: false });

/** A model of which nothing was seen. */
export const newLevel = (): Level => ({
  mean: 0,
  spread: SIGMA_START * SPREAD_OF_SIGMA,
  n: 0,
});

/** Standard deviation of a model's samples around their level, 0.08 to 0.4; 0.12 before any. */
export const sigmaOf = ({ spread }: Level): number =>
  Math.min(SIGMA_MAX, Math.max(SIGMA_MIN, spread / SPREAD_OF_SIGMA));

/** Takes in one log ratio. True when the alarm goes off: once, until the watch is a new one. */
export function alarmed(watch: Watch, level: Level, logRatio: number): boolean {
  if (level.previous !== undefined) {
    const difference = Math.min(DIFFERENCE_MAX, Math.abs(logRatio - level.previous));
    level.spread += SPREAD_WEIGHT * (difference - level.spread);
  }
  level.previous = logRatio;
  level.n += 1;
  const z = Math.min(SAMPLE_MAX, (logRatio - level.mean) / sigmaOf(level));
  level.mean += (logRatio - level.mean) / Math.min(level.n, LEVEL_SAMPLES);
  if (level.n <= SAMPLES_MIN || watch.drifting) return false;
  watch.sum = Math.max(0, watch.sum + z - SLACK);
  watch.drifting = watch.sum > ALARM;
  return watch.drifting;
}
