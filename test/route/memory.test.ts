import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { assessMemory } from '../../src/route/memory.ts';
import { laneEntry, laneView, modelView, snapshotOf } from './small-policy.ts';

const stopped = modelView({ residency: { kind: 'stopped' }, memoryBytes: 8e9 });
const verdict = (memory: { pinned?: number; evictable?: number; budget?: number }, snapshot = snapshotOf({})) =>
  assessMemory(modelId('a'), stopped, {
    ...snapshot,
    memory: {
      budgetBytes: memory.budget ?? 22e9,
      pinnedBytes: memory.pinned ?? 0,
      evictableBytes: memory.evictable ?? 0,
    },
  });

describe('assessMemory', () => {
  it('a loaded model needs nothing more', () => {
    const full = { ...snapshotOf({}), memory: { budgetBytes: 1, pinnedBytes: 1, evictableBytes: 0 } };
    expect(assessMemory(modelId('a'), modelView(), full).kind).toBe('fits');
  });

  it('free memory is used before anyone is evicted', () => {
    expect(verdict({ pinned: 10e9, evictable: 4e9 })).toEqual({ kind: 'fits' });
    expect(verdict({ pinned: 10e9, evictable: 6e9 })).toMatchObject({ kind: 'evicts', bytes: 2e9 });
  });

  it('more than the whole budget is never', () => {
    expect(verdict({ budget: 7e9 })).toEqual({ kind: 'never', needBytes: 8e9, budgetBytes: 7e9 });
  });

  it('memory of busy children is waited for, the soonest free first', () => {
    const lanes = [
      laneView('cpu', {
        lanes: 2,
        running: [
          laneEntry({ model: 'long', remainingMs: 90_000 }),
          laneEntry({ model: 'short', remainingMs: 20_000 }),
        ],
      }),
    ];
    const of = (bytes: number) => snapshotOf({ long: { memoryBytes: 10e9 }, short: { memoryBytes: bytes } }, { lanes });
    expect(verdict({ pinned: 20e9 }, of(10e9))).toEqual({ kind: 'waits', waitMs: 20_000 });
    expect(verdict({ pinned: 20e9 }, of(5e9))).toEqual({ kind: 'waits', waitMs: 90_000 });
  });

  it('a child that starts is waited for too', () => {
    const snapshot = snapshotOf({ b: { memoryBytes: 16e9, residency: { kind: 'starting', remainingMs: 5000 } } });
    expect(verdict({ pinned: 16e9 }, snapshot)).toEqual({ kind: 'waits', waitMs: 5000 });
  });
});
