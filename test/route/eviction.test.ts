import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { type MemoryHolder, planEviction } from '../../src/route/eviction.ts';

const holder = (id: string, bytes: number, reloadMs: number, idle = true): MemoryHolder => ({
  id: modelId(id),
  bytes,
  reloadMs,
  usesPerHour: 1,
  idle,
});

const someHolders = fc
  .array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 100 }),
      reloadMs: fc.integer({ min: 0, max: 50 }),
      idle: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((list) => list.map(({ bytes, reloadMs, idle }, index) => holder(`m${index}`, bytes, reloadMs, idle)));

const bytesOf = (holders: readonly MemoryHolder[]) => holders.reduce((sum, one) => sum + one.bytes, 0);

describe('planEviction', () => {
  it('stops nobody where it fits', () => {
    expect(planEviction(10, 24, [holder('four', 5, 100)])).toEqual({ kind: 'fits' });
  });

  it('stops the cheapest reload first', () => {
    const holders = [holder('dear', 5, 9000), holder('cheap', 5, 100)];
    expect(planEviction(10, 16, holders)).toEqual({ kind: 'evict', victims: ['cheap'] });
  });

  it('keeps what is used often before what only loads slowly', () => {
    const rare = { ...holder('rare', 5, 9000), usesPerHour: 0.1 };
    const often = { ...holder('often', 5, 2000), usesPerHour: 30 };
    expect(planEviction(10, 16, [often, rare])).toEqual({ kind: 'evict', victims: ['rare'] });
    const unused = { ...holder('unused', 5, 9000), usesPerHour: 0 };
    expect(planEviction(10, 16, [rare, unused])).toEqual({ kind: 'evict', victims: ['unused'] });
  });

  it('spares a cheap one that makes no difference beside the big one that must go', () => {
    const holders = [holder('small', 1, 10), holder('big', 10, 9000)];
    expect(planEviction(12, 20, holders)).toEqual({ kind: 'evict', victims: ['big'] });
  });

  it('waits for a busy child and does not name it as a victim', () => {
    const holders = [holder('nine', 10, 5000, false), holder('idle', 2, 10)];
    expect(planEviction(20, 24, holders)).toEqual({ kind: 'wait', blockers: ['nine'] });
  });

  it('swaps the 27B model for the 9B one on 24 GB, and refuses it on 16 GB', () => {
    const nine = [holder('nine', 10.2, 5000)];
    expect(planEviction(20.8, 22, nine)).toEqual({ kind: 'evict', victims: ['nine'] });
    expect(planEviction(20.8, 14, nine)).toEqual({ kind: 'never' });
  });

  it('makes enough room, from idle children only, and not one more than needed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 300 }),
        someHolders,
        (need, budget, all) => {
          const plan = planEviction(need, budget, all);
          const missing = need - (budget - bytesOf(all));
          const idle = all.filter((one) => one.idle);
          expect(plan.kind === 'never').toBe(need > budget);
          if (plan.kind === 'fits') expect(missing).toBeLessThanOrEqual(0);
          if (plan.kind === 'evict') {
            const victims = all.filter((one) => plan.victims.includes(one.id));
            expect(victims.every((one) => one.idle)).toBe(true);
            expect(bytesOf(victims)).toBeGreaterThanOrEqual(missing);
            for (const spared of victims) expect(bytesOf(victims) - spared.bytes).toBeLessThan(missing);
          }
          if (plan.kind === 'wait') {
            const blockers = all.filter((one) => plan.blockers.includes(one.id));
            expect(bytesOf(idle)).toBeLessThan(missing);
            expect(blockers.some((one) => one.idle)).toBe(false);
            expect(bytesOf(idle) + bytesOf(blockers)).toBeGreaterThanOrEqual(missing);
          }
        },
      ),
    );
  });
});
