import { describe, expect, it } from 'vitest';
import { expectedOf, FIRST_PACE, learnPace, type Pace, paceSoFar, safetyOf } from '../../src/batch/pace.ts';
import { drawLogNormal, seededRandom } from '../../src/core/random.ts';

const nights = (count: number, factor: () => number): Pace => {
  let pace = FIRST_PACE;
  for (let night = 0; night < count; night += 1) pace = learnPace(pace, 1000 * factor(), 1000);
  return pace;
};

describe('the pace of batches', () => {
  it('begins on plan with a reserve', () => {
    expect(expectedOf(FIRST_PACE)).toBe(1);
    expect(safetyOf(FIRST_PACE, 0)).toBeCloseTo(1.85, 2);
  });

  it('learns that nights are slower than planned', () => {
    const pace = nights(20, () => 1.4);
    expect(expectedOf(pace)).toBeCloseTo(1.4, 1);
    expect(safetyOf(pace, 0)).toBeGreaterThan(1.4);
  });

  it('keeps a reserve however good the nights were', () => {
    expect(
      safetyOf(
        nights(50, () => 0.5),
        0,
      ),
    ).toBe(1.05);
  });

  it('needs more reserve the fewer answers even each other out', () => {
    const [one, ten, many] = [1, 0.1, 0].map((concentration) => safetyOf(FIRST_PACE, concentration));
    expect(one).toBeCloseTo(4.2, 1);
    expect(ten).toBeCloseTo(2.27, 1);
    expect(many).toBeCloseTo(1.85, 2);
  });

  it('goes over to what a batch shows itself', () => {
    const slow = (items: number) => paceSoFar(FIRST_PACE, { busyMs: 2000, expectedMs: 1000, items });
    expect(slow(0)).toBe(FIRST_PACE);
    expect(expectedOf(slow(8))).toBeCloseTo(Math.SQRT2, 5);
    expect(expectedOf(slow(800))).toBeCloseTo(2, 1);
    expect(slow(800).varianceLog).toBeGreaterThan(FIRST_PACE.varianceLog / 2);
  });

  it('learns nothing from what did not run', () => {
    expect(learnPace(FIRST_PACE, 0, 10)).toBe(FIRST_PACE);
    expect(learnPace(FIRST_PACE, 10, 0)).toBe(FIRST_PACE);
    expect(learnPace(FIRST_PACE, Number.NaN, 1)).toBe(FIRST_PACE);
  });

  it('keeps about nineteen of twenty promises', () => {
    const random = seededRandom(9);
    const factor = () => drawLogNormal(random, 1.2, 0.25);
    let pace = nights(30, factor);
    let kept = 0;
    for (let night = 0; night < 500; night += 1) {
      const actual = factor();
      if (actual <= safetyOf(pace, 0)) kept += 1;
      pace = learnPace(pace, actual, 1);
    }
    expect(kept / 500).toBeGreaterThan(0.91);
    expect(kept / 500).toBeLessThan(0.985);
  });
});
