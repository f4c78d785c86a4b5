import { median } from '../../core/stats.ts';
import type { Arm } from './space.ts';

// The search has two parts and no state of its own: what to do next follows from the trials that are finished, so a run
// that was killed goes on where it was.
//
//   halving   a spread of arms is tried once each; the better third is tried again, until three are left, each time with
//             more repetitions (Jamieson and Talwalkar 2016: bad arms are cheap to recognize, good ones are not)
//   climbing  the neighbours of the best one are tried; a better one takes its place; until none is better

/** One finished measurement of an arm. */
export type Trial = {
  readonly arm: string;
  /** What is to be small, e.g. predicted ms; undefined where the arm failed or broke a constraint. */
  readonly cost: number | undefined;
};

/** What to search, and how widely. */
export type TunePlan = {
  readonly arms: readonly Arm[];
  /** Arms of the first round, see {@link firstRound}. */
  readonly starters: readonly Arm[];
};

/** What to do next. */
export type TuneStep =
  | { readonly kind: 'run'; readonly arm: Arm; readonly phase: 'halving' | 'climbing'; readonly round: number }
  | { readonly kind: 'done'; readonly best: Arm | undefined };

/** Part of a round that goes on to the next one. */
const KEEP = 1 / 3;
/** Repetitions an arm has after each halving round; finalists reach the count from which an interval holds. */
const REPETITIONS_BY_ROUND = [1, 2, 5] as const;
const FINAL_REPETITIONS = REPETITIONS_BY_ROUND[REPETITIONS_BY_ROUND.length - 1] ?? 5;
/** A neighbour must be better by more than this: less is noise (3 % is what five repetitions resolve). */
const BETTER_BY = 0.03;
/** Climbing ends after this many moves whatever it finds. */
const MOVES_MAX = 8;

/** A plan over these arms: `count` of them (at least 9) spread evenly over the list begin, `first` among them. */
export function planTune(arms: readonly Arm[], first: Arm | undefined, count = 27): TunePlan {
  const wanted = Math.min(arms.length, Math.max(9, count));
  const spread = new Map<string, Arm>(first === undefined ? [] : [[first.id, first]]);
  // The golden ratio's multiples fill the list evenly however many are taken, without a random source.
  for (let turn = 0; spread.size < wanted && turn < 50 * wanted; turn += 1) {
    const arm = arms[Math.floor(((turn * 0.6180339887) % 1) * arms.length)];
    if (arm !== undefined) spread.set(arm.id, arm);
  }
  return { arms, starters: [...spread.values()] };
}

/** What to do after these trials, in whatever order they came. Pure; equal costs go to the arm listed first. */
export function nextStep(plan: TunePlan, trials: readonly Trial[]): TuneStep {
  const results = resultsOf(trials);
  let alive = plan.starters;
  for (const [round, repetitions] of REPETITIONS_BY_ROUND.entries()) {
    const open = alive.find((arm) => needsMore(results, arm, repetitions));
    if (open !== undefined) return { kind: 'run', arm: open, phase: 'halving', round };
    alive = bestOf(alive, results).slice(0, Math.max(3, Math.ceil(alive.length * KEEP)));
  }
  return climb(plan, alive[0], results);
}

/** Most trials a plan can take in its halving part; climbing adds a few. For the progress shown. */
export function halvingTrials({ starters }: TunePlan): number {
  let alive = starters.length;
  let trials = 0;
  let before = 0;
  for (const repetitions of REPETITIONS_BY_ROUND) {
    trials += alive * (repetitions - before);
    before = repetitions;
    alive = Math.min(alive, Math.max(3, Math.ceil(alive * KEEP)));
  }
  return trials;
}

type Results = ReadonlyMap<string, { readonly costs: readonly number[]; readonly failed: boolean }>;

function resultsOf(trials: readonly Trial[]): Results {
  const results = new Map<string, { costs: number[]; failed: boolean }>();
  for (const { arm, cost } of trials) {
    const known = results.get(arm) ?? { costs: [], failed: false };
    if (cost === undefined) known.failed = true;
    else known.costs.push(cost);
    results.set(arm, known);
  }
  return results;
}

// An arm that failed once is out: what cannot start will not start the second time.
const needsMore = (results: Results, arm: Arm, repetitions: number): boolean => {
  const known = results.get(arm.id);
  return known === undefined || (!known.failed && known.costs.length < repetitions);
};

function costOf(results: Results, arm: Arm): number {
  const known = results.get(arm.id);
  if (known === undefined || known.failed) return Number.POSITIVE_INFINITY;
  return median(known.costs) ?? Number.POSITIVE_INFINITY;
}

const bestOf = (arms: readonly Arm[], results: Results): readonly Arm[] =>
  arms
    .filter((arm) => Number.isFinite(costOf(results, arm)))
    .toSorted((a, b) => costOf(results, a) - costOf(results, b));

function climb(plan: TunePlan, start: Arm | undefined, results: Results): TuneStep {
  let best = start;
  for (let move = 0; best !== undefined && move < MOVES_MAX; move += 1) {
    const here: Arm = best;
    const neighbours = plan.arms.filter((arm) => isStep(here, arm));
    // One look each; only a neighbour that seems better is worth the repetitions that prove it.
    const unseen = neighbours.find((arm) => needsMore(results, arm, 1));
    if (unseen !== undefined) return { kind: 'run', arm: unseen, phase: 'climbing', round: move };
    const bound = costOf(results, here) * (1 - BETTER_BY);
    const [rival] = bestOf(neighbours, results);
    if (rival === undefined || costOf(results, rival) >= bound) break;
    if (needsMore(results, rival, FINAL_REPETITIONS)) {
      return { kind: 'run', arm: rival, phase: 'climbing', round: move };
    }
    best = rival;
  }
  return { kind: 'done', best };
}

// Any other value of one dimension counts as a step: there are few values, and the best may lie behind a worse one.
const isStep = (a: Arm, b: Arm): boolean => a.at.filter((place, dimension) => place !== b.at[dimension]).length === 1;
