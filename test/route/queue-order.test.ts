import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODEL_CLASSES } from '../../src/core/classes.ts';
import type { LaneEntry } from '../../src/core/snapshot.ts';
import { compareEntries } from '../../src/route/queue-order.ts';
import { laneEntry, NOW_MS } from './small-policy.ts';

const HOUR_MS = 3_600_000;
const sorted = (entries: readonly LaneEntry[], nowMs = NOW_MS) =>
  entries.toSorted((a, b) => compareEntries(a, b, nowMs));
const models = (entries: readonly LaneEntry[]) => entries.map((entry) => entry.model);

const anyEntry = fc
  .record({
    class: fc.constantFrom(...MODEL_CLASSES),
    ageMs: fc.integer({ min: 0, max: 24 * HOUR_MS }),
    budgetMs: fc.oneof(fc.integer({ min: -1000, max: 8 * HOUR_MS }), fc.constant(Number.POSITIVE_INFINITY)),
  })
  .map(({ class: modelClass, ageMs, budgetMs }) => {
    const arrivedMs = NOW_MS - ageMs;
    return laneEntry({ class: modelClass, arrivedMs, deadlineMs: arrivedMs + budgetMs });
  });

describe('compareEntries', () => {
  it('classes go in their order', () => {
    const entries = ['batch', 'interactive', 'route', 'quality'].map((name) =>
      laneEntry({ class: name as LaneEntry['class'], model: name }),
    );
    expect(models(sorted(entries))).toEqual(['route', 'interactive', 'quality', 'batch']);
  });

  it('the earliest deadline goes first inside a class, whenever it arrived', () => {
    const entries = [
      laneEntry({ model: 'later', deadlineMs: NOW_MS + 9000, arrivedMs: NOW_MS - 3000 }),
      laneEntry({ model: 'none', deadlineMs: Number.POSITIVE_INFINITY, arrivedMs: NOW_MS - 3000 }),
      laneEntry({ model: 'sooner', deadlineMs: NOW_MS + 5000 }),
    ];
    expect(models(sorted(entries))).toEqual(['sooner', 'later', 'none']);
  });

  it('equal deadlines go by arrival', () => {
    const early = laneEntry({ model: 'early', arrivedMs: NOW_MS - 10 });
    expect(models(sorted([laneEntry({ model: 'late' }), early]))).toEqual(['early', 'late']);
  });

  it('an entry at half its budget stands before newer ones of the class above, at two budgets before the next', () => {
    const old = laneEntry({ class: 'quality', model: 'old', arrivedMs: NOW_MS, deadlineMs: NOW_MS + 60_000 });
    const first = (waitedMs: number, rival: LaneEntry['class']) => {
      const nowMs = NOW_MS + waitedMs;
      const newcomer = laneEntry({ class: rival, model: 'new', arrivedMs: nowMs, deadlineMs: nowMs + 6000 });
      return models(sorted([old, newcomer], nowMs))[0];
    };
    expect(first(29_999, 'interactive')).toBe('new');
    expect(first(30_000, 'interactive')).toBe('old');
    expect(first(119_999, 'route')).toBe('new');
    expect(first(120_000, 'route')).toBe('old');
  });

  it('a steady flow of the class above leaves an entry half its budget to run in', () => {
    const old = laneEntry({ class: 'interactive', model: 'old', arrivedMs: NOW_MS, deadlineMs: NOW_MS + 45_000 });
    let nowMs = NOW_MS;
    const route = () => laneEntry({ class: 'route', model: 'new', arrivedMs: nowMs, deadlineMs: nowMs + 6000 });
    while (compareEntries(route(), old, nowMs) < 0) nowMs += 500;
    expect(nowMs - NOW_MS).toBe(22_500);
  });

  it('batch work without a deadline rises one class every two hours', () => {
    const old = laneEntry({ class: 'batch', model: 'old', deadlineMs: Number.POSITIVE_INFINITY });
    const at = (hours: number, rival: LaneEntry['class']) => {
      const nowMs = NOW_MS + hours * HOUR_MS;
      const other = laneEntry({ class: rival, model: 'new', arrivedMs: nowMs, deadlineMs: nowMs + 6000 });
      return models(sorted([old, other], nowMs))[0];
    };
    expect(at(1.9, 'quality')).toBe('new');
    expect(at(2, 'quality')).toBe('old');
    expect(at(3.9, 'interactive')).toBe('new');
    expect(at(4, 'interactive')).toBe('old');
    expect(at(6, 'route')).toBe('old');
  });

  it('is a total order at any one moment', () => {
    fc.assert(
      fc.property(anyEntry, anyEntry, anyEntry, (a, b, c) => {
        expect(Math.sign(compareEntries(a, b, NOW_MS))).toBe(-Math.sign(compareEntries(b, a, NOW_MS)) || 0);
        expect(compareEntries(a, a, NOW_MS)).toBe(0);
        const [first, second, third] = sorted([a, b, c]);
        expect(compareEntries(first!, second!, NOW_MS)).toBeLessThanOrEqual(0);
        expect(compareEntries(second!, third!, NOW_MS)).toBeLessThanOrEqual(0);
        expect(compareEntries(first!, third!, NOW_MS)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('nobody starves: after six budgets (four with a deadline) an entry stands before everything that has just arrived', () => {
    fc.assert(
      fc.property(
        anyEntry,
        fc.constantFrom(...MODEL_CLASSES),
        fc.integer({ min: 1, max: HOUR_MS }),
        (old, name, budget) => {
          const budgetMs = old.deadlineMs === Number.POSITIVE_INFINITY ? HOUR_MS : old.deadlineMs - old.arrivedMs;
          const nowMs = old.arrivedMs + 6 * Math.max(1000, budgetMs);
          const newcomer = laneEntry({ class: name, arrivedMs: nowMs, deadlineMs: nowMs + budget });
          expect(compareEntries(old, newcomer, nowMs)).toBeLessThan(0);
        },
      ),
    );
  });
});
