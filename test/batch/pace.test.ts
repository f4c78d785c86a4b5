import { describe, expect, it } from 'vitest';
import { FIRST_PACE, learnPace, type Pace, reserveOf } from '../../src/batch/pace.ts';
import { drawLogNormal, seededRandom } from '../../src/core/random.ts';

const night = (factor: number, concentration = 0) => ({ actualMs: 1000 * factor, plannedMs: 1000, concentration });
const nights = (count: number, factor: () => number): Pace => {
  let pace = FIRST_PACE;
  for (let done = 0; done < count; done += 1) pace = learnPace(pace, night(factor()));
  return pace;
};

describe('the pace of batches', () => {
  it('begins on plan with a reserve', () => {
    const { expected, promise, plan } = reserveOf(FIRST_PACE);
    expect(expected).toBe(1);
    expect(promise(0)).toBeCloseTo(1.74, 2);
    expect(plan(0)).toBe(promise(0));
  });

  it('learns that nights are slower than planned', () => {
    const { expected, promise } = reserveOf(nights(30, () => 1.4));
    expect(expected).toBeCloseTo(1.4, 2);
    expect(promise(0)).toBeGreaterThanOrEqual(expected);
  });

  it('keeps a reserve however good the nights were', () => {
    const { promise, plan } = reserveOf(nights(60, () => 0.3));
    expect(promise(0)).toBeGreaterThanOrEqual(1.05);
    expect(plan(0)).toBeGreaterThanOrEqual(promise(0));
  });

  it('is not spoiled by one night in which nothing could run', () => {
    const usual = nights(60, () => 1.1);
    const after = learnPace(usual, night(40));
    expect(reserveOf(after).plan(0)).toBeLessThanOrEqual(reserveOf(FIRST_PACE).plan(0));
    expect(reserveOf(after).promise(0)).toBeLessThanOrEqual(reserveOf(FIRST_PACE).promise(0));
    expect(reserveOf(after).expected).toBeCloseTo(reserveOf(usual).expected, 2);
    expect(reserveOf(learnPace(FIRST_PACE, night(40))).plan(0)).toBeLessThan(3);
  });

  it('needs more reserve the fewer answers even each other out', () => {
    const [one, ten, many] = [1, 0.1, 0].map((concentration) => reserveOf(FIRST_PACE).promise(concentration));
    expect(one).toBeCloseTo(3.5, 1);
    expect(ten).toBeCloseTo(2.07, 1);
    expect(many).toBeCloseTo(1.74, 2);
  });

  it('makes as much of a slow night of few answers as of a little slow one of many', () => {
    const [few] = learnPace(FIRST_PACE, night(1.5, 1)).scores;
    const [many] = learnPace(FIRST_PACE, night(1.5, 0)).scores;
    expect(few).toBeLessThan(many ?? 0);
  });

  it('goes over to what a batch shows itself', () => {
    const slow = (items: number) => reserveOf(FIRST_PACE, { busyMs: 2000, expectedMs: 1000, items });
    expect(slow(0).expected).toBe(1);
    expect(slow(8).expected).toBeCloseTo(Math.SQRT2, 5);
    expect(slow(800).expected).toBeCloseTo(2, 1);
    expect(slow(800).promise(0) / slow(800).expected).toBeLessThan(reserveOf(FIRST_PACE).promise(0));
    expect(slow(800).promise(0) / slow(800).expected).toBeGreaterThan(1.2);
  });

  it('learns nothing from what did not run', () => {
    for (const factor of [0, Number.NaN, -1]) expect(learnPace(FIRST_PACE, night(factor))).toBe(FIRST_PACE);
    expect(learnPace(FIRST_PACE, { actualMs: 10, plannedMs: 0, concentration: 0 })).toBe(FIRST_PACE);
  });

  it.each<[string, (random: () => number) => number]>([
    ['of one kind', (random) => drawLogNormal(random, 1.2, 0.25)],
    [
      'of which every eighth takes half as long again',
      (random) => drawLogNormal(random, random() < 0.125 ? 1.5 : 1, 0.1),
    ],
    ['that hardly differ', (random) => drawLogNormal(random, 1, 0.02)],
    ['that differ more than was thought', (random) => drawLogNormal(random, 1, 0.5)],
  ])('keeps at least nineteen of twenty promises over nights %s', (_, draw) => {
    const random = seededRandom(9);
    let pace = nights(60, () => draw(random));
    let kept = 0;
    for (let done = 0; done < 2000; done += 1) {
      const actual = draw(random);
      if (actual <= reserveOf(pace).promise(0)) kept += 1;
      pace = learnPace(pace, night(actual));
    }
    expect(kept / 2000).toBeGreaterThan(0.95);
  });
});
