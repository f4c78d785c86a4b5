import { describe, expect, it } from 'vitest';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import type { LaneEntry, ModelView } from '../../src/core/snapshot.ts';
import { decide } from '../../src/route/decide.ts';
import { runningAfterYield, victimOf } from '../../src/route/preemption.ts';
import {
  laneEntry,
  laneView,
  measured,
  modelPolicy,
  NOW_MS,
  smallPolicy,
  snapshotOf,
  workload,
} from './small-policy.ts';

/** Batch work with 200 s left that makes way for interactive requests within 600 ms. */
const batch = (given: Parameters<typeof laneEntry>[0] = {}): LaneEntry =>
  laneEntry({
    class: 'batch',
    model: 'large',
    deadlineMs: Number.POSITIVE_INFINITY,
    remainingMs: 200_000,
    preemptible: { by: ['interactive'], cancelMs: 600 },
    ...given,
  });
const newcomer = { class: 'interactive', arrivedMs: NOW_MS, deadlineMs: NOW_MS + 45_000 } as const;

describe('victimOf', () => {
  it.each<[string, LaneEntry]>([
    ['that does not yield', batch({ preemptible: undefined })],
    ['that yields to other classes only', batch({ preemptible: { by: ['route'], cancelMs: 600 } })],
    ['whose engine stops no sooner than it ends', batch({ remainingMs: 600 })],
    ['that has aged before the newcomer', batch({ arrivedMs: NOW_MS - 5 * 3_600_000 })],
  ])('is none among runs %s', (_, entry) => {
    expect(victimOf([entry], newcomer, { nowMs: NOW_MS })).toBeUndefined();
    expect(victimOf([entry, batch()], newcomer, { nowMs: NOW_MS })?.remainingMs).toBe(200_000);
  });

  it('is the one with the most work left, in the child that is full', () => {
    const entries = [batch({ model: 'a', remainingMs: 50_000 }), batch({ model: 'b', remainingMs: 90_000 })];
    expect(victimOf(entries, newcomer, { nowMs: NOW_MS })?.model).toBe('b');
    expect(victimOf(entries, newcomer, { nowMs: NOW_MS, model: modelId('a') })?.model).toBe('a');
    expect(victimOf(entries, newcomer, { nowMs: NOW_MS, model: modelId('c') })).toBeUndefined();
  });
});

describe('runningAfterYield', () => {
  it('leaves the time an engine needs to stop, and none to one that stands still', () => {
    const entries = [batch({ model: 'a' }), batch({ model: 'b' })];
    const [victim] = entries as [LaneEntry, LaneEntry];
    expect(runningAfterYield(entries, victim).map(({ remainingMs }) => remainingMs)).toEqual([600, 200_000]);
    expect(runningAfterYield(entries, victim, 'stands still')[0]?.remainingMs).toBe(0);
  });
});

describe('decide: while batch work runs', () => {
  // 100 prompt and 100 output tokens take 11 s on `small` and 22 s on `large`.
  const policy = smallPolicy({
    models: [modelPolicy('small', { quality: 0.4 }), modelPolicy('large', { quality: 0.8 })],
  });
  const views: Readonly<Record<string, Partial<ModelView>>> = {
    small: { profile: measured({ prefill: 100, decode: 10 }) },
    large: { profile: measured({ prefill: 50, decode: 5 }) },
  };
  const chosen = (e2eMs: number, entry: LaneEntry, more: Readonly<Record<string, Partial<ModelView>>> = {}) =>
    decide(
      workload({ slo: { ttftMs: undefined, e2eMs, source: 'test' } }),
      snapshotOf({ ...views, ...more }, { lanes: [laneView('cpu', { running: [entry] })] }),
      policy,
    );

  it('one that would be late by waiting expects to wait only until the engine has stopped', () => {
    expect(chosen(30_000, batch())).toMatchObject({ model: 'large', degraded: false, predicted: { waitMs: 600 } });
    expect(chosen(30_000, batch({ preemptible: undefined }))).toMatchObject({
      degraded: true,
      predicted: { waitMs: 200_000 },
    });
  });

  it('one that can wait expects to wait', () => {
    expect(chosen(300_000, batch())).toMatchObject({ model: 'large', predicted: { waitMs: 200_000 } });
  });

  it('one that is made way for at once does not expect to wait, even where it could', () => {
    const atOnce = (more: object = {}) =>
      batch({ preemptible: { by: ['interactive'], cancelMs: 6000, atOnce: true, ...more } });
    expect(chosen(300_000, atOnce())).toMatchObject({ model: 'large', predicted: { waitMs: 6000, interrupts: true } });
    // Its process stands still for another model that is loaded, not for its own, nor for one that has to be.
    const other = { ...atOnce({ pauses: true }), model: modelId('small') };
    expect(chosen(300_000, other)).toMatchObject({ model: 'large', predicted: { waitMs: 250 } });
    expect(chosen(300_000, atOnce({ pauses: true }))).toMatchObject({ model: 'large', predicted: { waitMs: 6000 } });
    const stopped = { large: { residency: { kind: 'stopped' } } } as const;
    expect(chosen(300_000, other, stopped)).toMatchObject({ model: 'large', predicted: { waitMs: 6000 } });
  });

  it('the slots and the memory that the interrupted run holds come free with it', () => {
    const full = { residency: { kind: 'busy' }, running: 1, slotWaitMs: 200_000 } as const;
    expect(chosen(30_000, batch(), { large: full })).toMatchObject({ model: 'large', predicted: { waitMs: 600 } });
    const decision = decide(
      workload({ slo: { ttftMs: undefined, e2eMs: 30_000, source: 'test' } }),
      snapshotOf(
        { small: { residency: { kind: 'stopped' } }, large: { residency: { kind: 'busy' }, memoryBytes: 20e9 } },
        {
          lanes: [laneView('cpu', { running: [batch()] })],
          memory: { budgetBytes: 22e9, pinnedBytes: 20e9, evictableBytes: 0 },
        },
      ),
      smallPolicy({ models: [modelPolicy('small'), modelPolicy('large', { classes: ['batch'] })] }),
    );
    expect(decision).toMatchObject({ model: 'small', degraded: false, predicted: { waitMs: 600, loadMs: 2000 } });
  });
});

describe('decide: at night', () => {
  it('lets the small model on the idle device answer where that is in time, and the item go on', () => {
    const policy = smallPolicy({
      models: [
        modelPolicy('fast', { quality: 0.4, runtime: runtimeId('npu') }),
        modelPolicy('large', { quality: 0.8 }),
      ],
    });
    const views = {
      fast: { profile: measured({ prefill: 100, decode: 10 }) },
      large: { profile: measured({ prefill: 50, decode: 5 }) },
    };
    const decided = (e2eMs: number, minQuality: number, running: LaneEntry[]) =>
      decide(
        workload({ slo: { ttftMs: undefined, e2eMs, source: 'test' }, minQuality }),
        snapshotOf(views, { lanes: [laneView('cpu', { running }), laneView('npu')] }),
        policy,
      );
    expect(decided(30_000, 0, [])).toMatchObject({ model: 'large' });
    expect(decided(30_000, 0, [batch()])).toMatchObject({ model: 'fast' });
    // Nobody is given a worse answer than the class allows for the sake of a batch.
    expect(decided(30_000, 0.5, [batch()])).toMatchObject({ model: 'large', predicted: { interrupts: true } });
  });
});
