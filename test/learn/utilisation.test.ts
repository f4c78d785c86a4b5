import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addBusy, newUtilisation, utilisationAt } from '../../src/learn/utilisation.ts';

describe('utilisation', () => {
  it('of a device that is busy half the time is one half', () => {
    const device = newUtilisation();
    let nowMs = 0;
    for (let turn = 0; turn < 200; turn += 1) {
      nowMs += 60_000;
      addBusy(device, nowMs, 30_000);
    }
    expect(utilisationAt(device, nowMs)).toBeCloseTo(0.5, 1);
  });

  it('fades by e in a quarter of an hour', () => {
    const device = newUtilisation();
    addBusy(device, 600_000, 300_000);
    const then = utilisationAt(device, 600_000);
    expect(utilisationAt(device, 1_500_000)).toBeCloseTo(then / Math.E, 6);
  });

  it('counts runs side by side once', () => {
    const [one, two] = [newUtilisation(), newUtilisation()];
    addBusy(one, 100_000, 100_000);
    addBusy(two, 100_000, 100_000);
    addBusy(two, 100_000, 60_000);
    expect(utilisationAt(two, 100_000)).toBe(utilisationAt(one, 100_000));
  });

  it('stays between 0 and 0.95 whatever the runs', () => {
    const run = fc.record({ afterMs: fc.nat(1e7), busyMs: fc.nat(1e8) });
    fc.assert(
      fc.property(fc.array(run), (runs) => {
        const device = newUtilisation();
        let nowMs = 0;
        for (const { afterMs, busyMs } of runs) {
          nowMs += afterMs;
          addBusy(device, nowMs, busyMs);
          expect(utilisationAt(device, nowMs)).toBeGreaterThanOrEqual(0);
          expect(utilisationAt(device, nowMs)).toBeLessThanOrEqual(0.95);
        }
      }),
    );
  });
});
