/**
 * Correction of benchmarked times by what served requests took, in natural logarithms. A generation's time is almost
 * linear in its tokens at batch 1, so one factor per phase repairs what a benchmark got wrong:
 *
 *   x = ln(T_observed / T_benchmark)          what one request shows
 *   kappa = kappa_device + kappa_arm          what is believed: drift that all models of a device share, and the model's own
 *   e = x - kappa                             innovation
 *   V = V_device + V_arm,  G = V / (V + sigma^2)
 *   kappa_device += G s e,  kappa_arm += G (1 - s) e,  s = V_device / V      (scalar Kalman filter, covariances left out)
 *
 * The share s follows the variances instead of being one half always: a model seen for the first time has a wide prior and
 * takes the whole error itself, where one half would push every other model of the device off. Both parts gain the same
 * process noise, so what changes later is shared about evenly until other models tell whose it was.
 */

/** One part of a correction: its value in natural logarithms and how uncertain that is. Changed in place by `learnRatio`. */
export type Term = {
  kappa: number;
  variance: number;
  /** Time of the last sample; undefined before the first. */
  updatedMs?: number | undefined;
  n: number;
};

/** The two parts a sample teaches. */
export type Terms = { readonly device: Term; readonly arm: Term };

/** One observation for {@link learnRatio}. */
export type RatioSample = {
  /** ln(observed / benchmarked time). */
  readonly logRatio: number;
  readonly nowMs: number;
  /** Standard deviation of such samples around the truth. */
  readonly sigma: number;
  /** 1, or more after a drift alarm: multiplies the process noise. */
  readonly noiseFactor: number;
  /** Bound of |kappa_device + kappa_arm|, and of each. */
  readonly limit: number;
};

/** Variance gained per hour and term: a device that heats up moves by some 10 % within a quarter of an hour. */
const PROCESS_VARIANCE_PER_MS = 0.04 / 3_600_000;
/** Least variance gained per sample and term, so that the gain never falls below about a tenth in dense traffic. */
const PROCESS_VARIANCE_MIN = 0.00004;
/** No longer pause adds more than this: after a night idle a device is not a stranger. */
const PROCESS_VARIANCE_MAX = 0.04;
/** Innovations beyond this many standard deviations count as that many: one stalled request must not move much. */
const INNOVATION_SIGMAS_MAX = 3;

/** A term before any sample. `variance` is that of the prior. */
export const newTerm = (variance: number): Term => ({ kappa: 0, variance, n: 0 });

/** Takes one sample into both terms. Returns the innovation, before it was bounded. */
export function learnRatio({ device, arm }: Terms, sample: RatioSample): number {
  const { logRatio, nowMs, sigma, noiseFactor, limit } = sample;
  age(device, nowMs, noiseFactor);
  age(arm, nowMs, noiseFactor);
  const innovation = logRatio - device.kappa - arm.kappa;
  const variance = device.variance + arm.variance;
  const total = variance + sigma * sigma;
  const bound = INNOVATION_SIGMAS_MAX * Math.sqrt(total);
  const step = clip(innovation, -bound, bound) / total;
  const deviceKappa = clip(device.kappa + device.variance * step, -limit, limit);
  arm.kappa = clip(arm.kappa + arm.variance * step, -limit - deviceKappa, limit - deviceKappa);
  device.kappa = deviceKappa;
  device.variance *= 1 - device.variance / total;
  arm.variance *= 1 - arm.variance / total;
  device.n += 1;
  arm.n += 1;
  return innovation;
}

function age(term: Term, nowMs: number, noiseFactor: number): void {
  if (term.updatedMs !== undefined) {
    const gained = PROCESS_VARIANCE_PER_MS * Math.max(0, nowMs - term.updatedMs);
    term.variance += noiseFactor * clip(gained, PROCESS_VARIANCE_MIN, PROCESS_VARIANCE_MAX);
  }
  term.updatedMs = Math.max(nowMs, term.updatedMs ?? nowMs);
}

const clip = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
