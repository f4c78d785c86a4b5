import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fitLine,
  meanInterval,
  median,
  medianInterval,
  percentile,
  percentileSorted,
  wilsonInterval,
} from '../../src/core/stats.ts';

const sample = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 60 });
const quantile = fc.double({ min: 0, max: 1, noNaN: true });

describe('percentile', () => {
  test('is nearest rank: the smallest value with the share at or below it', () => {
    expect(percentile([15, 20, 35, 40, 50], 0.3)).toBe(20);
    expect(percentile([15, 20, 35, 40, 50], 0.4)).toBe(20);
    expect(percentile([15, 20, 35, 40, 50], 1)).toBe(50);
    expect(percentile([15, 20, 35, 40, 50], 0)).toBe(15);
  });

  test('is a value of the sample with enough at or below it, and no smaller one has enough', () => {
    fc.assert(
      fc.property(sample, quantile, (values, share) => {
        const found = percentile(values, share) as number;
        const needed = Math.max(1, Math.ceil(share * values.length));
        expect(values).toContain(found);
        expect(values.filter((value) => value <= found).length).toBeGreaterThanOrEqual(needed);
        expect(values.filter((value) => value < found).length).toBeLessThan(needed);
      }),
    );
  });

  test('grows with the quantile and leaves its input alone', () => {
    fc.assert(
      fc.property(sample, quantile, quantile, (values, one, other) => {
        const before = [...values];
        const [low, high] = one < other ? [one, other] : [other, one];
        expect(percentile(values, low) as number).toBeLessThanOrEqual(percentile(values, high) as number);
        expect(values).toEqual(before);
      }),
    );
  });

  test('an empty sample has none', () => {
    expect(percentile([], 0.5)).toBeUndefined();
    expect(percentileSorted([], 0.5)).toBeUndefined();
  });
});

describe('median', () => {
  test('is the middle, or the mean of the middle two', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeUndefined();
  });

  test('lies within the sample and does not depend on its order', () => {
    fc.assert(
      fc.property(sample, (values) => {
        const found = median(values) as number;
        expect(found).toBeGreaterThanOrEqual(Math.min(...values));
        expect(found).toBeLessThanOrEqual(Math.max(...values));
        expect(median(values.toReversed())).toBe(found);
      }),
    );
  });
});

describe('meanInterval', () => {
  test('holds the mean, the same for the same sample', () => {
    const values = [0.1, 0.3, 0.2, 0.5, 0.4];
    const interval = meanInterval(values);
    expect(interval?.mean).toBeCloseTo(0.3, 12);
    expect(interval?.low).toBeGreaterThan(0.1);
    expect(interval?.low).toBeLessThan(0.3);
    expect(interval?.high).toBeGreaterThan(0.3);
    expect(interval).toEqual(meanInterval(values));
  });

  test('is the value itself for one, and nothing for none', () => {
    expect(meanInterval([7])).toEqual({ mean: 7, low: 7, high: 7 });
    expect(meanInterval([])).toBeUndefined();
  });
});

describe('medianInterval', () => {
  test('holds the median, stays within the sample, and is the same every time', () => {
    fc.assert(
      fc.property(sample, (values) => {
        const interval = medianInterval(values);
        if (values.length < 2) {
          expect(interval).toBeUndefined();
          return;
        }
        expect(interval?.low).toBeGreaterThanOrEqual(Math.min(...values));
        expect(interval?.high).toBeLessThanOrEqual(Math.max(...values));
        expect(interval?.low).toBeLessThanOrEqual(interval?.high ?? Number.NaN);
        expect(medianInterval(values)).toEqual(interval);
      }),
      { numRuns: 50 },
    );
  });

  test('reaches from the smallest to the largest of five, and lies inside from six on', () => {
    expect(medianInterval([5, 1, 4, 2, 3])).toEqual({ low: 1, high: 5 });
    const six = medianInterval([6, 5, 1, 4, 2, 3]);
    expect(six?.low).toBeGreaterThan(1);
    expect(six?.low).toBeLessThan(2);
    // The published example of Hettmansperger and Sheather's formula for n = 10, depth 2: 97.85 % to 89.06 %.
    const inward = (8 * 0.3244) / (2 + 6 * 0.3244);
    expect(medianInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])?.low).toBeCloseTo(2 + inward, 2);
  });

  test('does not fail on more samples than 0.5^n can be written for', () => {
    const { low, high } = medianInterval(Array.from({ length: 3_001 }, (_, index) => index)) ?? { low: 0, high: 0 };
    // Normal approximation: the middle rank less and more 1.96 sqrt(n) / 2.
    expect(low).toBeCloseTo(1500 - 53.7, -0.5);
    expect(high).toBeCloseTo(1500 + 53.7, -0.5);
  });

  test('a sample of one value has an interval of no width', () => {
    expect(medianInterval([7, 7, 7])).toEqual({ low: 7, high: 7 });
  });

  test('more samples of the same spread give a narrower interval', () => {
    const spread = (n: number) => {
      const values = Array.from({ length: n }, (_, index) => (index * 7919) % 101);
      const interval = medianInterval(values);
      return (interval?.high ?? 0) - (interval?.low ?? 0);
    };
    expect(spread(100)).toBeLessThan(spread(10));
  });
});

describe('fitLine', () => {
  test('goes through points that lie on a line', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -50, max: 50 }),
        fc.integer({ min: -50, max: 50 }),
        fc.uniqueArray(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 2, maxLength: 20 }),
        (slope, intercept, xs) => {
          const line = fitLine(xs.map((x) => ({ x, y: intercept + slope * x })));
          expect(line?.slope).toBeCloseTo(slope, 6);
          expect(line?.intercept).toBeCloseTo(intercept, 4);
        },
      ),
    );
  });

  test('one point, or points above each other, have none', () => {
    expect(fitLine([{ x: 1, y: 1 }])).toBeUndefined();
    expect(
      fitLine([
        { x: 1, y: 1 },
        { x: 1, y: 2 },
      ]),
    ).toBeUndefined();
  });
});

describe('wilsonInterval', () => {
  test('gives the published bounds', () => {
    // Agresti and Coull 1998: 0 of 10 and 5 of 10.
    expect(wilsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(0.2775, 3) });
    expect(wilsonInterval(5, 10)).toEqual({ low: expect.closeTo(0.2366, 3), high: expect.closeTo(0.7634, 3) });
  });

  test('holds the share, lies within 0 and 1 and narrows with n', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
        const hits = Math.round(share * n);
        const { low, high } = wilsonInterval(hits, n);
        expect(low).toBeLessThanOrEqual(hits / n + 1e-12);
        expect(high).toBeGreaterThanOrEqual(hits / n - 1e-12);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        const wider = wilsonInterval(hits, n);
        const narrower = wilsonInterval(hits * 4, n * 4);
        expect(narrower.high - narrower.low).toBeLessThanOrEqual(wider.high - wider.low);
      }),
    );
  });

  test('knows nothing without trials', () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });
});
