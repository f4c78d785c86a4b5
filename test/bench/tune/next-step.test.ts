import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  eliminatedAfter,
  expectedTrials,
  nextStep,
  type Progress,
  planTune,
  QUICK,
  THOROUGH,
  type TunePlan,
} from '../../../src/bench/tune/next-step.ts';
import { settingsInForce } from '../../../src/bench/tune/settings.ts';
import { type Arm, allArms, currentArm, tuneSpace } from '../../../src/bench/tune/space.ts';
import type { Trial } from '../../../src/bench/tune/trial.ts';
import { percentile } from '../../../src/core/stats.ts';

const SPACE = tuneSpace({
  kind: 'llama-server',
  inForce: settingsInForce(
    { cpus: [0, 1, 2, 3, 4, 5, 6, 7], threads: 8, flashAttention: 'on', batch: 64, ubatch: 64 },
    'llama-server',
  ),
  clusters: [
    { cpus: [0, 1, 2, 3], maxKhz: 1_800_000 },
    { cpus: [4, 5], maxKhz: 2_256_000 },
    { cpus: [6, 7], maxKhz: 2_304_000 },
  ],
  narrowed: {},
});
const ARMS = allArms(SPACE);
const CURRENT = currentArm(SPACE);
const AXIS_COUNT = SPACE.axes.length;

/** A cost that is a product of one factor per value, with some values that go badly together. */
function landscape(factors: readonly number[], clash: number) {
  return (arm: Arm) => {
    const base = arm.at.reduce(
      (cost, place, dimension) => cost * (1 + (factors[(dimension * 7 + place * 3) % factors.length] ?? 0)),
      1000,
    );
    return arm.at[0] === 1 && arm.at[4] === 2 ? base * (1 + clash) : base;
  };
}

type Given = {
  readonly plan?: TunePlan;
  readonly noise?: (turn: number) => number;
  /** KV caches whose answers are worse. */
  readonly spoiled?: (cache: string) => boolean;
  readonly tookMs?: (turn: number) => number;
};

/** Runs the search to its end; `noise` is the relative spread of one measurement. */
function search(
  cost: (arm: Arm) => number | undefined,
  { plan = planTune(ARMS, CURRENT, THOROUGH), ...given }: Given = {},
) {
  const trials: Trial[] = [];
  const caches = new Map<string, boolean>();
  for (;;) {
    const progress: Progress = { trials, caches };
    const step = nextStep(plan, progress);
    if (step.kind === 'done') return { ...step, trials, caches, plan, progress };
    if (step.kind === 'check') {
      caches.set(step.cache, given.spoiled?.(step.cache) !== true);
      continue;
    }
    const true_ = cost(step.arm);
    const noise = given.noise?.(trials.length) ?? 1;
    trials.push({
      arm: step.arm.id,
      phase: step.phase,
      cost: true_ === undefined ? undefined : true_ * noise,
      tookMs: given.tookMs?.(trials.length) ?? 0,
      isDisturbed: false,
    });
    expect(trials.length).toBeLessThan(1000);
  }
}

const factors = fc.array(fc.double({ min: 0, max: 0.8, noNaN: true }), { minLength: 9, maxLength: 9 });
const SOME = landscape([0.1, 0.5, 0.3, 0, 0.2, 0.7, 0.4, 0.6, 0.05], 0.1);

describe('nextStep', () => {
  it('finds nearly the best setting after trying less than a quarter of them', () => {
    const excesses = fc
      .sample(fc.tuple(factors, fc.double({ min: 0, max: 0.5, noNaN: true })), { numRuns: 100, seed: 5 })
      .map(([given, clash]) => {
        const cost = landscape(given, clash);
        const { best, trials } = search(cost);
        expect(new Set(trials.map(({ arm }) => arm)).size).toBeLessThan(ARMS.length / 4);
        return (best === undefined ? Number.NaN : cost(best)) / Math.min(...ARMS.map(cost));
      });
    expect(percentile(excesses, 0.8)).toBeLessThan(1.005);
    // Values that differ by less than what is taken for noise may add up over the axes, and so may a bad pair.
    expect(Math.max(...excesses)).toBeLessThan(1.15);
  });

  it('comes close when measurements scatter by 3 %', () => {
    const excesses = fc.sample(factors, { numRuns: 100, seed: 6 }).map((given) => {
      const cost = landscape(given, 0.2);
      const { best } = search(cost, { noise: (turn) => 1 + 0.03 * Math.sin(turn * 12.9898) });
      return (best === undefined ? Number.NaN : cost(best)) / Math.min(...ARMS.map(cost));
    });
    expect(percentile(excesses, 0.8)).toBeLessThan(1.04);
    expect(Math.max(...excesses)).toBeLessThan(1.2);
  });

  it('goes on where a killed run was', () => {
    const { best, trials, caches, plan } = search(SOME);
    for (const cut of [0, 1, 10, 30, trials.length - 1]) {
      const step = nextStep(plan, { trials: trials.slice(0, cut), caches });
      expect(step).toMatchObject({ kind: 'run', arm: { id: trials[cut]?.arm }, phase: trials[cut]?.phase });
    }
    expect(nextStep(plan, { trials, caches })).toEqual({ kind: 'done', best, isComplete: true });
  });

  it('never repeats an arm that failed, and ends when all fail', () => {
    const { best, trials } = search(() => undefined);
    expect(best).toBeUndefined();
    expect(new Set(trials.map(({ arm }) => arm)).size).toBe(trials.length);
  });

  it('lets the arms of a round take turns', () => {
    const { trials, plan } = search(SOME);
    const last = trials.slice(plan.starters.length + 9).filter(({ phase }) => phase === 'halving');
    const turns = last.map(({ arm }) => arm);
    expect(new Set(turns).size).toBe(3);
    expect(turns).toEqual([...new Set(turns), ...new Set(turns)]);
  });

  it('compares the best with the settings in force in pairs of new samples', () => {
    const { best, trials } = search(SOME);
    const pairs = trials.filter(({ phase }) => phase === 'confirming').map(({ arm }) => arm);
    expect(pairs).toEqual(Array.from({ length: 5 }, () => [CURRENT.id, best?.id]).flat());
    expect(trials.slice(-10).every(({ phase }) => phase === 'confirming')).toBe(true);
  });

  it('needs no comparison where the settings in force are the best, or do not run', () => {
    const here = search((arm) => (arm.id === CURRENT.id ? 1 : SOME(arm)));
    expect(here.best?.id).toBe(CURRENT.id);
    const broken = search((arm) => (arm.id === CURRENT.id ? undefined : SOME(arm)));
    expect(broken.best).toBeDefined();
    for (const { trials } of [here, broken]) expect(trials.some(({ phase }) => phase === 'confirming')).toBe(false);
  });

  it('goes on without a quantized cache whose answers are worse', () => {
    const cost = (arm: Arm) => SOME(arm) * (arm.cacheToCheck === undefined ? 1 : 0.2);
    const trusting = search(cost);
    expect(trusting.best?.cacheToCheck).toBeDefined();
    expect(trusting.caches.size).toBe(1);
    const warned = search(cost, { spoiled: (cache) => cache !== 'f16/q8_0' });
    expect(warned.best?.cacheToCheck).toBe('f16/q8_0');
    const none = search(cost, { spoiled: () => true });
    expect(none.best?.cacheToCheck).toBeUndefined();
    expect(none.best && cost(none.best)).toBeLessThanOrEqual(
      1.05 * Math.min(...ARMS.filter(({ cacheToCheck }) => cacheToCheck === undefined).map(cost)),
    );
  });

  it('takes a whole cache where a quantized one is no better than noise', () => {
    const nearly = (factor: number) =>
      search((arm) => SOME(arm) * (arm.at[3] === 0 ? 1 : arm.cacheToCheck === undefined ? 2 : factor));
    const flat = landscape([0, 0.5, 0.3, 0, 0.2, 0.7, 0.4, 0.6, 0.05], 0);
    const alike = search(
      (arm) => flat({ ...arm, at: arm.at.with(3, 0) }) * (arm.cacheToCheck === undefined ? 1 : 0.99),
    );
    expect(alike.best?.cacheToCheck).toBeUndefined();
    expect(alike.caches.size).toBe(0);
    expect(nearly(0.5).best?.cacheToCheck).toBeDefined();
  });

  it('keeps within its budget, and keeps time for the comparison', () => {
    const plan = planTune(ARMS, CURRENT, { ...THOROUGH, budgetMs: 30_000 });
    const { trials, isComplete, best } = search((arm) => (arm.cacheToCheck === undefined ? SOME(arm) : undefined), {
      plan,
      tookMs: () => 1_000,
    });
    expect(isComplete).toBe(false);
    expect(trials.length).toBe(30);
    expect(trials.filter(({ phase }) => phase === 'confirming')).toHaveLength(10);
    expect(best?.id).not.toBe(CURRENT.id);
    const none = search(SOME, { plan: planTune(ARMS, CURRENT, { ...THOROUGH, budgetMs: 1 }), tookMs: () => 1_000 });
    expect(none.trials).toHaveLength(1);
    expect(none.best?.id).toBe(CURRENT.id);
  });

  it('checks a quantized cache even when the time is up, and only one that is better', () => {
    const cost = (arm: Arm) => SOME(arm) * (arm.cacheToCheck === undefined ? 1 : 0.1);
    // Three of the five pairs fit into what is left.
    const plan = planTune(ARMS, CURRENT, { ...THOROUGH, budgetMs: 30_000 });
    const late = (turn: number) => (turn < 20 ? 1_000 : 1_700);
    const { best, caches, trials, isComplete } = search(cost, { plan, tookMs: late });
    expect(isComplete).toBe(false);
    expect(trials.filter(({ phase }) => phase === 'confirming').length).toBeLessThan(10);
    expect(best?.cacheToCheck).toBeDefined();
    expect([...caches.keys()]).toEqual([best?.cacheToCheck]);
    // Better at the first look and never again.
    const seen = new Set<string>();
    const lucky = (arm: Arm) => {
      const isFirst = !seen.has(arm.id);
      seen.add(arm.id);
      return arm.cacheToCheck !== undefined && isFirst ? 1 : 100;
    };
    expect(search(lucky, { plan: planTune(ARMS, CURRENT, { ...QUICK, rounds: [1] }) }).caches.size).toBe(0);
  });

  it('takes turns of a quick run less often', () => {
    const { trials } = search(SOME, { plan: planTune(ARMS, CURRENT, QUICK) });
    expect(trials.filter(({ phase }) => phase === 'confirming')).toHaveLength(6);
    expect(trials.length).toBeLessThan(search(SOME).trials.length);
  });
});

describe('eliminatedAfter', () => {
  it('names the round by which a starter was out', () => {
    const { plan, progress, best } = search(SOME);
    const rounds = plan.starters.map((arm) => eliminatedAfter(plan, progress, arm));
    expect(rounds.filter((round) => round === 1)).toHaveLength(18);
    expect(rounds.filter((round) => round === 2)).toHaveLength(6);
    expect(rounds.filter((round) => round === 3)).toHaveLength(1);
    const last = plan.starters.filter((_, index) => rounds[index] === undefined);
    expect(last.length).toBe(2);
    expect(best).toBeDefined();
  });
});

describe('planTune', () => {
  it('begins with the settings in force and spreads the others over every axis', () => {
    const { starters } = planTune(ARMS, CURRENT, THOROUGH);
    expect(starters[0]).toBe(CURRENT);
    expect(new Set(starters.map(({ id }) => id)).size).toBe(27);
    for (let axis = 0; axis < AXIS_COUNT; axis += 1) {
      const places = (arms: readonly Arm[]) => new Set(arms.map(({ at }) => at[axis])).size;
      expect(places(starters)).toBe(places(ARMS));
    }
  });

  it('tells how many trials it takes, within a quarter', () => {
    const { trials, plan } = search(SOME);
    expect(expectedTrials(plan) / trials.length).toBeGreaterThan(0.75);
    expect(expectedTrials(plan) / trials.length).toBeLessThan(1.25);
    const tiny = planTune([CURRENT], CURRENT, THOROUGH);
    expect(expectedTrials(tiny)).toBe(4);
    expect(search(SOME, { plan: tiny }).trials).toHaveLength(4);
  });

  it('takes every arm of a short list', () => {
    const few = ARMS.filter(({ id }) => id !== CURRENT.id).slice(0, 3);
    expect(planTune([CURRENT, ...few], CURRENT, QUICK).starters).toHaveLength(4);
  });
});
