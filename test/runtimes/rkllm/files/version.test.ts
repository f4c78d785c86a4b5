import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareVersions } from '../../../../runtimes/rkllm/files/version.ts';

describe('compareVersions', () => {
  it('orders by the numbers, a pre-release before its release', () => {
    const order = ['1.1.4', '1.2.0', '1.2.1b1', '1.2.1', '1.2.3', '1.2.10', '1.10', 'v2.0.0'];
    for (const [index, version] of order.entries()) {
      for (const [other, against] of order.entries()) {
        expect(Math.sign(compareVersions(version, against)!)).toBe(Math.sign(index - other));
      }
    }
  });

  it('is undefined for what is no version', () => {
    expect(compareVersions('unknown', '1.2.3')).toBeUndefined();
    expect(compareVersions('1.2.3', '')).toBeUndefined();
  });

  it('turns its sign when the sides are swapped', () => {
    const version = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20)).map((parts) => parts.join('.'));
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(compareVersions(a, b)! + compareVersions(b, a)!).toBe(0);
      }),
    );
  });
});
