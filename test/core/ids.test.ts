import { describe, expect, it } from 'vitest';
import { drawOf, requestId } from '../../src/core/ids.ts';

describe('drawOf', () => {
  it('is the same number for the same request, in [0, 1)', () => {
    expect(drawOf(requestId('r-1'))).toBe(drawOf(requestId('r-1')));
    expect(drawOf(requestId(''))).toBeGreaterThanOrEqual(0);
  });

  it('spreads evenly over requests that are numbered on', () => {
    const n = 20_000;
    const draws = Array.from({ length: n }, (_, index) => drawOf(requestId(`req-${index}`)));
    expect(Math.max(...draws)).toBeLessThan(1);
    for (const share of [0.01, 0.1, 0.5, 0.9]) {
      const below = draws.filter((draw) => draw < share).length / n;
      // Four standard deviations of a share over n draws.
      expect(Math.abs(below - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / n));
    }
  });
});
