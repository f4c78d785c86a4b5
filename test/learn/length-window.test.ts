import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawNormal, seededRandom } from '../../src/core/random.ts';
import { percentile } from '../../src/core/stats.ts';
import { addLength, lengthQuantile, newLengthWindow } from '../../src/learn/length-window.ts';

const tokens = fc.integer({ min: 1, max: 4_000 });
const quantile = fc.double({ min: 0.01, max: 0.99, noNaN: true });

describe('lengthQuantile', () => {
  it('is the nearest-rank percentile of the last 200 answers where none was cut off', () => {
    fc.assert(
      fc.property(
        fc.array(tokens, { minLength: 1, maxLength: 400 }),
        fc.constantFrom(0.5, 0.8, 0.9),
        (given, asked) => {
          const window = newLengthWindow();
          for (const length of given) addLength(window, length, false);
          expect(lengthQuantile(window, asked)).toBe(percentile(given.slice(-200), asked));
        },
      ),
    );
  });

  it('of what goes beyond n tokens is the percentile of the longer answers', () => {
    fc.assert(
      fc.property(fc.array(tokens, { minLength: 1, maxLength: 200 }), tokens, (given, beyond) => {
        const longer = given.filter((length) => length > beyond);
        expect(lengthQuantile(newLengthWindow(given), 0.5, beyond)).toBe(percentile(longer, 0.5));
      }),
    );
  });

  it('finds the true quantile although every third answer was cut off by a bound', () => {
    const random = seededRandom(7);
    const window = newLengthWindow();
    const truth: number[] = [];
    for (let turn = 0; turn < 200; turn += 1) {
      const length = Math.max(1, Math.round(100 * Math.exp(0.5 * drawNormal(random))));
      truth.push(length);
      const bound = turn % 3 === 0 ? 80 + Math.floor(random() * 60) : 10_000;
      addLength(window, Math.min(length, bound), length > bound);
    }
    for (const asked of [0.5, 0.8]) {
      const [found, true_] = [lengthQuantile(window, asked) ?? 0, percentile(truth, asked) ?? 1];
      expect(Math.abs(found / true_ - 1)).toBeLessThan(0.15);
    }
  });

  it('never falls with the quantile and is always a length that was seen', () => {
    const lengths = fc.array(fc.tuple(tokens, fc.boolean()), { minLength: 1, maxLength: 250 });
    fc.assert(
      fc.property(lengths, quantile, quantile, (given, one, other) => {
        const window = newLengthWindow();
        for (const [length, cutOff] of given) addLength(window, length, cutOff);
        const [low, high] = [Math.min(one, other), Math.max(one, other)].map((asked) => lengthQuantile(window, asked));
        if (given.slice(-200).every(([, cutOff]) => cutOff)) expect(low).toBeUndefined();
        else {
          expect(high ?? 0).toBeGreaterThanOrEqual(low ?? Number.NaN);
          expect(given.some(([length]) => length === low)).toBe(true);
        }
      }),
    );
  });

  it('says at least the longest length where most answers were cut off', () => {
    expect(lengthQuantile(newLengthWindow([10, -100, -200, -300]), 0.8)).toBe(300);
    expect(lengthQuantile(newLengthWindow([10, -100, -200, -300]), 0.2)).toBe(10);
  });

  it('is unknown where nothing was seen, or nothing that long', () => {
    expect(lengthQuantile(newLengthWindow(), 0.5)).toBeUndefined();
    expect(lengthQuantile(newLengthWindow([10, 20]), 0.5, 20)).toBeUndefined();
  });
});
