import { describe, expect, it } from 'vitest';
import { orderFairness } from '../../../scripts/slow-clients/fairness.ts';

describe('orderFairness', () => {
  it.each([
    ['in order', [1, 2, 3, 4], { n: 4, inversions: 0, tau: 1 }],
    ['the other way round', [4, 3, 2, 1], { n: 4, inversions: 6, tau: -1 }],
    ['one pair wrong of six', [1, 3, 2, 4], { n: 4, inversions: 1, tau: 1 - 2 / 6 }],
    ['at once, in any order', [5, 5, 5], { n: 3, inversions: 0, tau: 1 }],
    ['alone', [7], { n: 1, inversions: 0, tau: undefined }],
    ['nobody', [], { n: 0, inversions: 0, tau: undefined }],
  ])('judges those served %s', (_, arrivals, fairness) => {
    expect(orderFairness(arrivals)).toEqual(fairness);
  });
});
