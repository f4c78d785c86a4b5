import { describe, expect, it } from 'vitest';
import { drawLogNormal, drawNormal, seededRandom } from '../../src/core/random.ts';
import { median } from '../../src/core/stats.ts';

const draws = (count: number, draw: () => number) => Array.from({ length: count }, draw);

describe('seededRandom', () => {
  it('the same seed gives the same numbers, another one others', () => {
    const [first, second, other] = [seededRandom(1), seededRandom(1), seededRandom(2)];
    const numbers = draws(20, first);
    expect(draws(20, second)).toEqual(numbers);
    expect(draws(20, other)).not.toEqual(numbers);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  });
});

describe('drawNormal and drawLogNormal', () => {
  it('have the mean and spread they are named for', () => {
    const random = seededRandom(7);
    const normal = draws(20_000, () => drawNormal(random));
    const mean = normal.reduce((sum, value) => sum + value, 0) / normal.length;
    const variance = normal.reduce((sum, value) => sum + (value - mean) ** 2, 0) / normal.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    const lengths = draws(20_000, () => drawLogNormal(random, 55, 0.8));
    expect(Math.abs((median(lengths) ?? 0) / 55 - 1)).toBeLessThan(0.03);
  });
});
