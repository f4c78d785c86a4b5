/**
 * How the time that batches really took compares with what was planned, learned over nights: the logarithm of actual
 * over planned time has a mean and a spread, both fading with about ten batches.
 */
export type Pace = { readonly meanLog: number; readonly varianceLog: number; readonly n: number };

/** Before any night was seen: on plan, with the spread that the answers of one batch have against those of another. */
export const FIRST_PACE: Pace = { meanLog: 0, varianceLog: 0.3 ** 2, n: 0 };

/** Weight of the newest batch once ten have been seen. */
const WEIGHT_MIN = 0.1;
/**
 * Standard deviations above the mean below which 98 % of a normal distribution lie. With 95 %, nine of ten simulated
 * promises were kept: the spread itself is only learned, and interruptions come in bad nights all at once.
 */
const Z98 = 2.054;
/** Squared coefficient of variation of answer lengths: log-normal with the sigma of 0.8 the routing study simulated. */
const LENGTHS_CV_SQUARED = 0.9;
/** So many answers of one batch tell as much as all nights before: variance of one answer over that between batches. */
const ITEMS_AS_NIGHTS = 8;
/** Nights are not better than planned for ever: a promise keeps this reserve at least. */
const SAFETY_MIN = 1.05;

/** The pace with one more batch; times in ms, both above zero, else nothing is learned. */
export function learnPace(pace: Pace, actualMs: number, plannedMs: number): Pace {
  if (!(actualMs > 0 && plannedMs > 0)) return pace;
  const log = Math.log(actualMs / plannedMs);
  const n = pace.n + 1;
  const weight = Math.max(WEIGHT_MIN, 1 / (n + 1));
  const off = log - pace.meanLog;
  return {
    meanLog: pace.meanLog + weight * off,
    varianceLog: (1 - weight) * (pace.varianceLog + weight * off * off),
    n,
  };
}

/**
 * The pace of a batch that has been running for a while: what its own `items` answers took of what was expected of them,
 * ms, takes over from past nights as they become many, and half of the spread is then known.
 */
export function paceSoFar(
  pace: Pace,
  { busyMs, expectedMs, items }: { readonly busyMs: number; readonly expectedMs: number; readonly items: number },
): Pace {
  if (items === 0 || !(busyMs > 0 && expectedMs > 0)) return pace;
  const weight = items / (items + ITEMS_AS_NIGHTS);
  return {
    ...pace,
    meanLog: (1 - weight) * pace.meanLog + weight * Math.log(busyMs / expectedMs),
    varianceLog: pace.varianceLog * (1 - weight / 2),
  };
}

/**
 * What planned time is multiplied by to be kept in 19 nights of 20. `concentration` says how few jobs the time consists
 * of: the sum of their squared shares, 1 for one job, 1/n for n equal ones, 0 for very many. Answers differ in length: a
 * single one may take three times what is planned, of a hundred the long and the short ones even out. Lengths and pace
 * are taken as log-normal, lengths with the planned time as their mean:
 *
 *   exp(mean + z sqrt(variance + v) - v / 2),   v = ln(1 + 0.9 concentration)
 */
export function safetyOf({ meanLog, varianceLog }: Pace, concentration: number): number {
  const lengths = Math.log(1 + LENGTHS_CV_SQUARED * concentration);
  return Math.max(SAFETY_MIN, Math.exp(meanLog + Z98 * Math.sqrt(varianceLog + lengths) - lengths / 2));
}

/** What planned time is multiplied by to be what is expected. */
export const expectedOf = ({ meanLog }: Pace): number => Math.exp(meanLog);
