import { median } from '../../core/stats.ts';
import { comparePairs, pairsOf } from './compare.ts';
import type { Arm } from './space.ts';
import type { Phase, Trial } from './trial.ts';

// The search has four parts and no state of its own: what to do next follows from the trials that are finished, so a run
// that was killed goes on where it was.
//
//   halving     a spread of arms is tried once each; the better third is tried again, and so on, each time with more
//               repetitions (Jamieson and Talwalkar 2016: bad arms are cheap to recognize, good ones are not). Within a
//               round the arms take turns (ABAB), so that a machine that grows warmer is not blamed on one of them
//   climbing    the neighbours of the best one are tried; a better one takes its place; until none is better
//   confirming  the best one and the settings in force take turns again. What was picked because it looked best among many
//               looks better than it is, so these new samples alone say whether and by how much it is better
//   checking    where the best one is better and quantizes its KV cache, that must not cost quality: one that does is out,
//               and the search goes on without it

/** What is known so far. */
export type Progress = {
  /** In the order they were taken. */
  readonly trials: readonly Trial[];
  /** By types of the KV cache: did its answers pass. */
  readonly caches: ReadonlyMap<string, boolean>;
};

/** What to search, and how widely. */
export type TunePlan = {
  readonly arms: readonly Arm[];
  /** The settings in force; one of the arms. */
  readonly current: Arm;
  /** Arms of the first round, the settings in force first. */
  readonly starters: readonly Arm[];
  /** Repetitions an arm has after each halving round. */
  readonly rounds: readonly number[];
  /** Pairs of measurements that the best and the current settings are compared by. */
  readonly pairs: number;
  /** No new measurement begins after this much time; undefined = no bound. */
  readonly budgetMs: number | undefined;
};

/** What to do next. */
export type TuneStep =
  | { readonly kind: 'run'; readonly arm: Arm; readonly phase: Phase; readonly round: number }
  /** Compare the answers with this KV cache to those with a 16-bit one. */
  | { readonly kind: 'check'; readonly arm: Arm; readonly cache: string }
  | { readonly kind: 'done'; readonly best: Arm | undefined; readonly isComplete: boolean };

/** Part of a round that goes on to the next one, and the least number that does. */
const KEEP = 1 / 3;
const KEEP_MIN = 2;
/** A neighbour must be better by more than this: less is noise (2 % is what the repetitions of a finalist resolve). */
const BETTER_BY = 0.02;
/** Climbing ends after this many moves whatever it finds. */
const MOVES_MAX = 8;

/** Starters unless told otherwise. */
const STARTERS = 27;

/** How thorough a search is: repetitions after each halving round, and pairs of the comparison at its end. */
export type Thoroughness = Pick<TunePlan, 'rounds' | 'pairs'>;
/** Five pairs: below that an interval covers less than it says. */
export const THOROUGH: Thoroughness = { rounds: [1, 2, 4], pairs: 5 };
/** A quick look; its comparison is provisional. */
export const QUICK: Thoroughness = { rounds: [1, 2], pairs: 3 };

/** A plan over these arms: the settings in force begin, and others spread over the list so that every value is tried. */
export function planTune(
  arms: readonly Arm[],
  current: Arm,
  options: Thoroughness & { readonly budgetMs?: number | undefined },
): TunePlan {
  const others = arms.filter((arm) => arm.id !== current.id);
  const starters = [current];
  const seen = new Set<string>();
  const valuesOf = (arm: Arm) => arm.at.map((place, axis) => `${axis}:${place}`);
  const take = (arm: Arm) => {
    starters.push(arm);
    for (const value of valuesOf(arm)) seen.add(value);
  };
  const order = spreadOver(others);
  for (const arm of order) if (starters.length < STARTERS && valuesOf(arm).some((value) => !seen.has(value))) take(arm);
  for (const arm of order) if (starters.length < STARTERS && !starters.includes(arm)) take(arm);
  const { rounds, pairs, budgetMs } = options;
  return { arms: [current, ...others], current, starters, rounds, pairs, budgetMs };
}

/** A list in an order of which any beginning is spread evenly over it. */
function spreadOver(arms: readonly Arm[]): readonly Arm[] {
  const free = [...arms];
  const order: Arm[] = [];
  // The golden ratio's multiples fill a list evenly however many are taken, without a random source.
  for (let turn = 0; free.length > 0; turn += 1) {
    order.push(...free.splice(Math.floor(((turn * 0.6180339887) % 1) * free.length), 1));
  }
  return order;
}

/** What to do after these trials. Pure; equal costs go to the arm listed first. */
export function nextStep(plan: TunePlan, progress: Progress): TuneStep {
  const results = resultsOf(plan, progress);
  const { mayStart, mayExplore } = timeLeft(plan, progress);
  const search = explore(plan, results);
  if (search.kind === 'run' && mayExplore) return search;
  const isComplete = search.kind === 'done';
  const best = isComplete ? search.best : bestSoFar(plan, results);
  if (best === undefined) return { kind: 'done', best, isComplete };
  const pair = halfOfPair(plan, progress, { best, results });
  if (pair !== undefined && mayStart) return pair;
  // The check takes long, so it comes last; it is no part of the budget, because nothing unchecked may be proposed.
  const isWanted = results.get(plan.current.id)?.isOut === true || isProven(plan, progress, best);
  if (isWanted && best.cacheToCheck !== undefined && !progress.caches.has(best.cacheToCheck)) {
    return { kind: 'check', arm: best, cache: best.cacheToCheck };
  }
  return { kind: 'done', best, isComplete: isComplete && pair === undefined };
}

const isProven = ({ current }: TunePlan, { trials }: Progress, best: Arm): boolean =>
  comparePairs(pairsOf(trials, current.id, best.id))?.isBetter === true;

/** Trials a plan is expected to take: its halving part, one look at the neighbours of the best, and the comparison. */
export function expectedTrials({ arms, starters, current, rounds, pairs }: TunePlan): number {
  let alive = starters.length;
  let trials = 0;
  let before = 0;
  for (const repetitions of rounds) {
    trials += alive * (repetitions - before);
    before = repetitions;
    alive = Math.min(alive, keptOf(alive));
  }
  const neighbours = arms.filter((arm) => isStep(current, arm)).length;
  return trials + Math.min(arms.length - starters.length, neighbours) + (arms.length > 1 ? 2 * pairs : 0);
}

/** The round of halving (from 1) after which a starter was out; undefined for one that was not out by it. */
export function eliminatedAfter(plan: TunePlan, progress: Progress, arm: Arm): number | undefined {
  const results = resultsOf(plan, progress);
  let alive = starting(plan, results);
  for (const [round, repetitions] of plan.rounds.entries()) {
    if (!alive.some(({ id }) => id === arm.id)) return round === 0 ? undefined : round;
    if (alive.some((one) => needsMore(results, one, repetitions))) return undefined;
    alive = survivors(alive, results, repetitions);
  }
  return alive.some(({ id }) => id === arm.id) ? undefined : plan.rounds.length;
}

type Results = ReadonlyMap<string, { readonly costs: readonly number[]; readonly isOut: boolean }>;

function resultsOf(plan: TunePlan, { trials, caches }: Progress): Results {
  const results = new Map<string, { costs: number[]; isOut: boolean }>();
  const entry = (id: string) => {
    const known = results.get(id) ?? { costs: [], isOut: false };
    results.set(id, known);
    return known;
  };
  for (const { arm, cost, phase } of trials) {
    // What cannot start will not start the second time.
    if (cost === undefined) entry(arm).isOut = true;
    else if (phase !== 'confirming') entry(arm).costs.push(cost);
  }
  for (const arm of plan.arms) {
    if (arm.cacheToCheck !== undefined && caches.get(arm.cacheToCheck) === false) entry(arm.id).isOut = true;
  }
  return results;
}

/** What the budget still allows: a new trial at all, and one that is not of the comparison at the end. */
function timeLeft(plan: TunePlan, { trials }: Progress): { mayStart: boolean; mayExplore: boolean } {
  // The first look at the settings in force is always taken: without it nothing could be said at all.
  if (plan.budgetMs === undefined || trials.length === 0) return { mayStart: true, mayExplore: true };
  const spentMs = trials.reduce((sum, { tookMs }) => sum + tookMs, 0);
  const confirmed = trials.filter(({ phase }) => phase === 'confirming').length;
  const trialMs = median(trials.map(({ tookMs }) => tookMs)) ?? 0;
  const reservedMs = 2 * plan.pairs * trialMs;
  // Once the comparison has begun there is no way back to the search.
  const mayExplore = confirmed === 0 && spentMs + trialMs + reservedMs <= plan.budgetMs;
  return { mayStart: spentMs < plan.budgetMs, mayExplore };
}

type Explored = Extract<TuneStep, { kind: 'run' }> | { readonly kind: 'done'; readonly best: Arm | undefined };

function explore(plan: TunePlan, results: Results): Explored {
  let alive = starting(plan, results);
  for (const [round, repetitions] of plan.rounds.entries()) {
    const open = leastTried(results, alive, repetitions);
    if (open !== undefined) return { kind: 'run', arm: open, phase: 'halving', round: round + 1 };
    alive = survivors(alive, results, repetitions);
  }
  const search = climb(plan, alive[0], results);
  return search.kind === 'done' ? unquantized(plan, search.best, results) : search;
}

/** Among equals a cache that needs no check: what a quantized one costs in quality no test can rule out. */
function unquantized(plan: TunePlan, best: Arm | undefined, results: Results): Explored {
  if (best?.cacheToCheck === undefined) return { kind: 'done', best };
  const bound = costOf(results, best) * (1 + BETTER_BY);
  const others = plan.arms.filter(({ cacheToCheck }) => cacheToCheck === undefined);
  const [rival] = bestOf(others, results);
  if (rival === undefined || costOf(results, rival) > bound) return { kind: 'done', best };
  const isKnown = !needsMore(results, rival, plan.rounds.at(-1) ?? 1);
  return isKnown ? { kind: 'done', best: rival } : { kind: 'run', arm: rival, phase: 'climbing', round: MOVES_MAX };
}

const starting = (plan: TunePlan, results: Results): readonly Arm[] =>
  plan.starters.filter(({ id }) => results.get(id)?.isOut !== true);

// The one with the fewest repetitions, so that arms of a round take turns.
function leastTried(results: Results, arms: readonly Arm[], repetitions: number): Arm | undefined {
  const open = arms.filter((arm) => needsMore(results, arm, repetitions));
  return open.toSorted((a, b) => countOf(results, a) - countOf(results, b))[0];
}

const countOf = (results: Results, arm: Arm): number => results.get(arm.id)?.costs.length ?? 0;

const needsMore = (results: Results, arm: Arm, repetitions: number): boolean => {
  const known = results.get(arm.id);
  return known === undefined || (!known.isOut && known.costs.length < repetitions);
};

const keptOf = (count: number): number => Math.max(KEEP_MIN, Math.ceil(count * KEEP));

// By what a round knew and not by what came later, or arms would come back to life while the next one runs.
const survivors = (alive: readonly Arm[], results: Results, repetitions: number): readonly Arm[] =>
  bestOf(alive, results, repetitions).slice(0, keptOf(alive.length));

function costOf(results: Results, arm: Arm, repetitions = Number.POSITIVE_INFINITY): number {
  const known = results.get(arm.id);
  if (known === undefined || known.isOut) return Number.POSITIVE_INFINITY;
  return median(known.costs.slice(0, repetitions)) ?? Number.POSITIVE_INFINITY;
}

const bestOf = (arms: readonly Arm[], results: Results, repetitions?: number): readonly Arm[] =>
  arms
    .filter((arm) => Number.isFinite(costOf(results, arm, repetitions)))
    .toSorted((a, b) => costOf(results, a, repetitions) - costOf(results, b, repetitions));

function climb(plan: TunePlan, start: Arm | undefined, results: Results): Explored {
  let best = start;
  const repetitionsMax = plan.rounds.at(-1) ?? 1;
  for (let move = 0; best !== undefined && move < MOVES_MAX; move += 1) {
    const here: Arm = best;
    const neighbours = plan.arms.filter((arm) => isStep(here, arm));
    // One look each; only a neighbour that seems better is worth the repetitions that prove it.
    const unseen = neighbours.find((arm) => needsMore(results, arm, 1));
    if (unseen !== undefined) return { kind: 'run', arm: unseen, phase: 'climbing', round: move + 1 };
    const bound = costOf(results, here) * (1 - BETTER_BY);
    const [rival] = bestOf(neighbours, results);
    if (rival === undefined || costOf(results, rival) >= bound) break;
    if (needsMore(results, rival, repetitionsMax)) {
      return { kind: 'run', arm: rival, phase: 'climbing', round: move + 1 };
    }
    best = rival;
  }
  return { kind: 'done', best };
}

// Any other value of one dimension counts as a step: there are few values, and the best may lie behind a worse one.
const isStep = (a: Arm, b: Arm): boolean => a.at.filter((place, dimension) => place !== b.at[dimension]).length === 1;

/** The best by what there is when the time for searching is up. */
const bestSoFar = (plan: TunePlan, results: Results): Arm | undefined => bestOf(plan.arms, results)[0];

/** The next measurement of the comparison; undefined where it is complete, or there is nothing to compare. */
function halfOfPair(
  { current, pairs }: TunePlan,
  { trials }: Progress,
  { best, results }: { readonly best: Arm; readonly results: Results },
): TuneStep | undefined {
  if (best.id === current.id || results.get(current.id)?.isOut === true) return undefined;
  const complete = pairsOf(trials, current.id, best.id).length;
  if (complete >= pairs) return undefined;
  const isHalf = trials.at(-1)?.phase === 'confirming' && trials.at(-1)?.arm === current.id;
  return { kind: 'run', arm: isHalf ? best : current, phase: 'confirming', round: complete + 1 };
}
