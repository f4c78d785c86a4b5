import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halvingTrials, nextStep, planTune, type Trial } from '../../../src/bench/tune/next-step.ts';
import { type Arm, allArms, tuneSpace } from '../../../src/bench/tune/space.ts';

const RK3588 = [
  { cpus: [0, 1, 2, 3], maxKhz: 1_800_000 },
  { cpus: [4, 5, 6, 7], maxKhz: 2_304_000 },
];
const ARMS = allArms(tuneSpace(RK3588, { quantizedCache: true }));

/** A cost that is a product of one factor per value, with some values that go badly together. */
function landscape(factors: readonly number[], clash: number) {
  return (arm: Arm) => {
    const base = arm.at.reduce(
      (cost, place, dimension) => cost * (1 + (factors[(dimension * 7 + place * 3) % factors.length] ?? 0)),
      1000,
    );
    return arm.at[0] === 1 && arm.at[3] === 2 ? base * (1 + clash) : base;
  };
}

/** Runs the search to its end; `noise` is the relative spread of one measurement. */
function search(cost: (arm: Arm) => number | undefined, noise: (turn: number) => number = () => 1) {
  const plan = planTune(ARMS, undefined);
  const trials: Trial[] = [];
  for (;;) {
    const step = nextStep(plan, trials);
    if (step.kind === 'done') return { best: step.best, trials };
    const true_ = cost(step.arm);
    trials.push({ arm: step.arm.id, cost: true_ === undefined ? undefined : true_ * noise(trials.length) });
    expect(trials.length).toBeLessThan(1000);
  }
}

const factors = fc.array(fc.double({ min: 0, max: 0.8, noNaN: true }), { minLength: 9, maxLength: 9 });

describe('nextStep', () => {
  it('finds a setting within 5 % of the best after trying less than half of them', () => {
    fc.assert(
      fc.property(factors, fc.double({ min: 0, max: 0.5, noNaN: true }), (given, clash) => {
        const cost = landscape(given, clash);
        const { best, trials } = search(cost);
        const least = Math.min(...ARMS.map(cost));
        expect(best && cost(best)).toBeLessThanOrEqual(least * 1.05);
        expect(new Set(trials.map(({ arm }) => arm)).size).toBeLessThan(ARMS.length / 2);
      }),
    );
  });

  it('stays within 12 % of the best when measurements scatter by 3 %', () => {
    fc.assert(
      fc.property(factors, (given) => {
        const cost = landscape(given, 0.2);
        const { best } = search(cost, (turn) => 1 + 0.03 * Math.sin(turn * 12.9898));
        expect(best && cost(best)).toBeLessThanOrEqual(Math.min(...ARMS.map(cost)) * 1.12);
      }),
    );
  });

  it('goes on where a killed run was, whatever order the trials are read in', () => {
    const cost = landscape([0.1, 0.5, 0.3, 0, 0.2, 0.7, 0.4, 0.6, 0.05], 0.1);
    const { best, trials } = search(cost);
    const plan = planTune(ARMS, undefined);
    for (const cut of [0, 1, 10, 30, trials.length - 1]) {
      const step = nextStep(plan, trials.slice(0, cut).toReversed());
      expect(step).toMatchObject({ kind: 'run', arm: { id: trials[cut]?.arm } });
    }
    expect(nextStep(plan, trials.toReversed())).toEqual({ kind: 'done', best });
  });

  it('never repeats an arm that failed, and ends when all fail', () => {
    const { best, trials } = search(() => undefined);
    expect(best).toBeUndefined();
    expect(new Set(trials.map(({ arm }) => arm)).size).toBe(trials.length);
  });

  it('tries finalists five times', () => {
    const { best, trials } = search(landscape([0.1, 0.5, 0.3, 0, 0.2, 0.7, 0.4, 0.6, 0.05], 0.1));
    expect(trials.filter(({ arm }) => arm === best?.id).length).toBeGreaterThanOrEqual(5);
  });
});

describe('planTune', () => {
  it('begins with the settings in force and spreads the others', () => {
    const first = ARMS[100];
    const { starters } = planTune(ARMS, first);
    expect(starters[0]).toBe(first);
    expect(new Set(starters.map(({ id }) => id)).size).toBe(27);
    for (const dimension of [0, 1, 2, 3, 4]) {
      expect(new Set(starters.map(({ at }) => at[dimension])).size).toBe(
        new Set(ARMS.map(({ at }) => at[dimension])).size,
      );
    }
    expect(halvingTrials({ arms: ARMS, starters })).toBe(27 + 9 + 9);
  });
});

describe('tuneSpace', () => {
  it('holds the winners of the reference board', () => {
    expect(ARMS.map(({ id }) => id)).toContain('cpus 0-7, 6 threads, fa on, kv f16, ub 512, mmap');
  });

  it('offers the fast cluster alone and never more threads than CPUs', () => {
    const { placements } = tuneSpace(RK3588, { quantizedCache: false });
    expect(placements.map(({ cpus, threads }) => [cpus?.length, threads])).toEqual([
      [8, 8],
      [8, 6],
      [8, 4],
      [4, 4],
      [4, 3],
      [4, 2],
    ]);
  });

  it('has one placement per thread count where all cores are alike', () => {
    const { placements } = tuneSpace([{ cpus: [0, 1], maxKhz: undefined }], { quantizedCache: false });
    expect(placements.map(({ threads }) => threads)).toEqual([2, 1]);
  });

  it('never quantizes the cache without flash attention', () => {
    for (const { settings } of ARMS) {
      if (settings.cacheTypeV !== 'f16') expect(settings.flashAttention).toBe('on');
    }
  });
});
