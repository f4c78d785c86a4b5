import { describe, expect, it } from 'vitest';
import { chanceInTime } from '../../src/route/chance.ts';

/** 2 s to the first token, then 20 s of decode at the median and 40 s at the quantile of 0.8. */
const predicted = {
  decodeMs: 40_000,
  decodeMedianMs: 20_000,
  quantile: 0.8,
  uncorrectedTtftMs: 2_000,
  uncorrectedE2eMs: 42_000,
  e2eMs: 42_000,
};

describe('chanceInTime', () => {
  it('is the promised quantile at the promise, and a half at the median', () => {
    expect(chanceInTime(predicted, 42_000)).toBeCloseTo(0.8, 6);
    expect(chanceInTime(predicted, 22_000)).toBeCloseTo(0.5, 6);
  });

  it('is nothing where no time is left after wait, load and prefill', () => {
    expect(chanceInTime(predicted, 2_000)).toBe(0);
    expect(chanceInTime(predicted, 0)).toBe(0);
  });

  it('is certain without a target, and nearly so far from one', () => {
    expect(chanceInTime(predicted, undefined)).toBe(1);
    expect(chanceInTime(predicted, 240_000)).toBeGreaterThan(0.99);
  });

  it('follows the conformal factor: what takes longer than predicted has less time', () => {
    expect(chanceInTime({ ...predicted, e2eMs: 84_000 }, 84_000)).toBeCloseTo(0.8, 6);
  });

  it('knows an answer of bounded length to within a tenth', () => {
    const bounded = { ...predicted, decodeMs: 20_000, uncorrectedE2eMs: 22_000, e2eMs: 22_000 };
    expect(chanceInTime(bounded, 30_000)).toBeGreaterThan(0.99);
    expect(chanceInTime(bounded, 16_000)).toBeLessThan(0.01);
  });

  it('grows with the target', () => {
    const chances = [10, 20, 30, 60, 120].map((sec) => chanceInTime(predicted, sec * 1000));
    expect(chances).toEqual(chances.toSorted((a, b) => a - b));
    expect(new Set(chances).size).toBe(chances.length);
  });
});
