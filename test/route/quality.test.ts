import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Figure } from '../../src/core/profile.ts';
import { wilsonInterval } from '../../src/core/stats.ts';
import { quality } from '../../src/route/quality.ts';

const figure = (hits: number, n: number): Figure => ({
  value: hits / n,
  ...wilsonInterval(hits, n),
  n,
  provenance: 'measured',
  source: 'run',
});
const priors = fc.integer({ min: 0, max: 1000 }).map((thousandths) => thousandths / 1000);
const counts = fc
  .integer({ min: 1, max: 200 })
  .chain((n) => fc.record({ n: fc.constant(n), hits: fc.integer({ min: 0, max: n }) }));

describe('quality', () => {
  it.each([
    ['nothing measured', undefined, 0.7],
    ['12 of 12', figure(12, 12), 0.758],
    ['10 of 12: above the prior, not certified', figure(10, 12), 0.7],
    ['8 of 12: a little below', figure(8, 12), 0.683],
    ['6 of 12', figure(6, 12), 0.6],
    ['none of 12', figure(0, 12), 0.35],
    ['80 of 100: certified by many', figure(80, 100), 0.711],
    ['60 of 100', figure(60, 100), 0.611],
    ['a published figure without samples', { ...figure(9, 10), n: 0 }, 0.9],
  ])('of a model with a prior of 0.7 and %s', (_, measured, expected) => {
    expect(quality(0.7, measured)).toBe(expected);
  });

  it('never falls by one more right answer', () => {
    fc.assert(
      fc.property(priors, counts, (prior, { n, hits }) => {
        fc.pre(hits < n);
        expect(quality(prior, figure(hits + 1, n))).toBeGreaterThanOrEqual(quality(prior, figure(hits, n)));
      }),
    );
  });

  it('never falls by more items of the same share, where the share is at the prior or above it', () => {
    fc.assert(
      fc.property(priors, counts, fc.integer({ min: 2, max: 9 }), (prior, { n, hits }, times) => {
        fc.pre(hits / n >= prior);
        const more = quality(prior, figure(hits * times, n * times));
        expect(more).toBeGreaterThanOrEqual(quality(prior, figure(hits, n)));
      }),
    );
  });

  it('comes nearer to the share by more items of the same share, where that is below the prior', () => {
    fc.assert(
      fc.property(priors, counts, fc.integer({ min: 2, max: 9 }), (prior, { n, hits }, times) => {
        fc.pre(hits / n < prior);
        const few = quality(prior, figure(hits, n));
        const many = quality(prior, figure(hits * times, n * times));
        expect(many).toBeLessThanOrEqual(few);
        expect(many).toBeGreaterThanOrEqual(hits / n - 0.001);
      }),
    );
  });

  it('of an unmeasured model never beats the same model measured at its prior or above', () => {
    fc.assert(
      fc.property(priors, counts, (prior, { n, hits }) => {
        fc.pre(hits / n >= prior);
        expect(quality(prior, figure(hits, n))).toBeGreaterThanOrEqual(quality(prior, undefined));
      }),
    );
  });
});
