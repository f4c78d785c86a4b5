import { median, percentileSorted } from '../core/stats.ts';

/**
 * How the time that batches really took compares with what was planned, night by night. A night's score is the logarithm of
 * actual over planned time, in units of the spread that a batch of so many answers has. Which score 19 of 20 nights stay
 * below is read off the nights themselves and not off a curve through them: people who work late and backups come in some
 * nights and not in others.
 */
export type Pace = {
  /** Oldest first. */
  readonly scores: readonly number[];
};

/** What a batch has shown itself while it runs: the time it took and the time expected of its `items` answers, ms. */
export type OwnPace = { readonly busyMs: number; readonly expectedMs: number; readonly items: number };

/**
 * What planned time is multiplied by, by how few jobs it consists of: the sum of their squared shares, 1 for one job, 1/n for
 * n equal ones, 0 for very many. A single answer may take three times what is planned; of a hundred the long and the short
 * ones even out.
 */
export type Factor = (concentration: number) => number;

/** What planned time is multiplied by to be what it will be. */
export type Reserve = {
  /** In the middle of all nights. */
  readonly expected: number;
  /** At most, in 19 nights of 20: what is promised. */
  readonly promise: Factor;
  /** At most, in nearly all nights: what has to be there before a better model is chosen than would be needed. */
  readonly plan: Factor;
};

/** Before any night was seen. */
export const FIRST_PACE: Pace = { scores: [] };

/** Nights that are remembered, two months of them. */
const SCORES_MAX = 60;
/**
 * Two points more than the 19 of 20 that are meant: so far is the share that a rank of sixty nights stands for off, one way
 * or the other (standard error 2.6 points), and it is where the reserve came out too small that more is promised.
 */
const PROMISE_SHARE = 0.97;
/**
 * More than the promise's own: with that, time left over would be spent on better models until every promised night ended
 * with a risk of one in twenty.
 */
const PLAN_SHARE = 0.98;
/** Nights that are imagined before any was seen: the middles of eight equal parts of a normal distribution of deviation 1.2. */
const IMAGINED = [-1.84, -1.06, -0.59, -0.19, 0.19, 0.59, 1.06, 1.84];
/** Standard deviation of the logarithm of what one batch's answers take against another's, as it was simulated. */
const BETWEEN_BATCHES = 0.3;
/** Squared coefficient of variation of answer lengths: log-normal with the sigma of 0.8 the routing study simulated. */
const LENGTHS_CV_SQUARED = 0.9;
/** So many answers of one batch tell as much as all nights before: variance of one answer over that between batches. */
const ITEMS_AS_NIGHTS = 8;
/** No night counts as worse, so that one in which nothing could run does not spoil the plans of two months. */
const SCORE_MAX = 3.5;
/** Nights are not better than planned for ever: this much reserve is kept at least. */
const RESERVE_MIN = 1.05;

/** The pace with one more batch. Nothing is learned where a time is not above zero. */
export function learnPace(
  pace: Pace,
  night: { readonly actualMs: number; readonly plannedMs: number; readonly concentration: number },
): Pace {
  const { actualMs, plannedMs, concentration } = night;
  if (!(actualMs > 0 && plannedMs > 0)) return pace;
  const lengths = lengthsVariance(concentration);
  const score = (Math.log(actualMs / plannedMs) + lengths / 2) / Math.sqrt(BETWEEN_BATCHES ** 2 + lengths);
  return { scores: [...pace.scores, Math.min(SCORE_MAX, score)].slice(-SCORES_MAX) };
}

/**
 * What the nights teach, and what the batch has shown itself where it has begun: its own answers take over as they become
 * many, and half of the spread between batches is then known. With s the score that a share of nights stayed below (its
 * nearest rank, whatever their distribution: conformal prediction, Vovk et al. 2005) and v the variance of the logarithm of the mean answer (lengths are taken as log-normal, with the planned time as their mean):
 *
 *   exp(centre + (s - middle) sqrt(0.3^2 + v) - v / 2),   v = ln(1 + 0.9 concentration)
 */
export function reserveOf({ scores }: Pace, own?: OwnPace): Reserve {
  const sorted = [...IMAGINED, ...scores].sort((a, b) => a - b);
  const middle = median(sorted) ?? 0;
  const isOwn = own !== undefined && own.busyMs > 0 && own.expectedMs > 0;
  const weight = isOwn ? own.items / (own.items + ITEMS_AS_NIGHTS) : 0;
  const ownLog = isOwn ? Math.log(own.busyMs / own.expectedMs) : 0;
  const centre = (1 - weight) * middle * BETWEEN_BATCHES + weight * ownLog;
  const between = BETWEEN_BATCHES ** 2 * (1 - weight / 2);
  const at = (share: number): Factor => {
    const above = (percentileSorted(sorted, share) ?? 0) - middle;
    return (concentration) => {
      const lengths = lengthsVariance(concentration);
      return Math.max(RESERVE_MIN, Math.exp(centre + above * Math.sqrt(between + lengths) - lengths / 2));
    };
  };
  return { expected: Math.exp(centre), promise: at(PROMISE_SHARE), plan: at(PLAN_SHARE) };
}

const lengthsVariance = (concentration: number): number =>
  Math.log(1 + LENGTHS_CV_SQUARED * Math.min(1, Math.max(0, concentration)));
