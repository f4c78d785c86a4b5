import { describe, expect, it } from 'vitest';
import { decades, scaleOf } from '../../src/dashboard/scale.ts';

describe('scaleOf', () => {
  it('starts at zero where the values are near each other', () => {
    const scale = scaleOf([10, 20, 40, 0]);
    expect(scale).toMatchObject({ isLogarithmic: false, from: 0 });
    expect([0, 10, 40, 80].map(scale.share)).toEqual([0, 0.25, 1, 1]);
  });

  it('is logarithmic from a decade below where they are far apart', () => {
    const scale = scaleOf([20, 1000]);
    expect(scale).toMatchObject({ isLogarithmic: true, from: 10 });
    expect([0, 10, 100, 1000].map((value) => Number(scale.share(value).toFixed(6)))).toEqual([0, 0, 0.5, 1]);
  });

  it('puts everything at the start where there is nothing to show', () => {
    expect(scaleOf([]).share(5)).toBe(0);
    expect(scaleOf([0, 0]).share(0)).toBe(0);
  });
});

describe('decades', () => {
  it('are the powers of ten around the values', () => {
    expect(decades(20, 900)).toEqual([10, 100, 1000]);
    expect(decades(1, 1)).toEqual([1]);
  });
});
