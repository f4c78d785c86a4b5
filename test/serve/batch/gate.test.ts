import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch, BatchWhen } from '../../../src/core/batch.ts';
import { modelId } from '../../../src/core/ids.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import type { BatchPolicy } from '../../../src/core/policy.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import { parseWindows } from '../../../src/policy/windows.ts';
import { type GateInput, gateOf, swapGateOf, windowsOf } from '../../../src/serve/batch/gate.ts';
import { snapshotOf } from '../../route/small-policy.ts';

const policy = await loadPolicy(join(packageRoot(), 'routing-policy.yaml'));
const LARGE = modelId('large');

/** The gate after `quietMs` without anybody, of a model for which another one has to go unless it is loaded or fits. */
const gate = (quietMs: number, usualGapMs: number, given: { readonly fits?: boolean; readonly ready?: boolean } = {}) =>
  swapGateOf(
    {
      policy: () => policy,
      snapshot: () =>
        snapshotOf(
          { large: { memoryBytes: 600, residency: { kind: given.ready === true ? 'ready' : 'stopped' } } },
          { memory: { budgetBytes: 1000, pinnedBytes: 0, evictableBytes: given.fits === true ? 100 : 500 } },
        ),
      quietMs: () => quietMs,
      usualGapMs: () => usualGapMs,
    },
    LARGE,
  );

describe('swapGateOf', () => {
  it('lets what is loaded or fits begin at any time', () => {
    expect(gate(0, 60_000, { ready: true })).toBeUndefined();
    expect(gate(0, 60_000, { fits: true })).toBeUndefined();
  });

  it.each([
    ['the time of the policy where nobody knows how often people ask', 0, 120_000],
    ['and where they ask in rapid succession', 10_000, 120_000],
    ['five of their gaps where they ask now and then', 100_000, 500_000],
    ['seven and a half times that of the policy at most', 3_600_000, 900_000],
  ])('waits with a swap for %s', (_, gapMs, quietMs) => {
    expect(gate(quietMs - 1, gapMs)).toContain('waits with loading large until nobody has asked for a while');
    expect(gate(quietMs, gapMs)).toBeUndefined();
  });
});

const MINUTE_MS = 60_000;
const NIGHT_MS = Date.parse('2026-11-21T23:00:00Z');
const NOON_MS = Date.parse('2026-11-21T12:00:00Z');
const batchPolicy = {
  windows: parseWindows('22:00-07:00', 'UTC'),
  timezone: 'UTC',
  idleMs: undefined,
  temperatureMaxCelsius: 80,
  foreignLoadMax: 0.5,
} as unknown as BatchPolicy;
const batchOf = (when: BatchWhen): Batch => ({ request: { when } }) as unknown as Batch;

const itemGate = (given: Partial<GateInput> = {}) =>
  gateOf({
    ...{ batch: batchOf({ kind: 'policy' }), policy: batchPolicy, nowMs: NIGHT_MS, isDraining: false, quietMs: 0 },
    ...{ hottestCelsius: undefined, foreignShare: undefined },
    ...given,
  });

describe('gateOf', () => {
  it('is open in a window, on a machine of which nothing can be read', () => {
    expect(itemGate()).toBeUndefined();
  });

  it('is closed outside it, and says when it opens', () => {
    expect(itemGate({ nowMs: NOON_MS })).toMatch(/waits for its window, which opens in 10 ?h/);
  });

  it('is open at any time for a batch that does not wait, and in the batch’s own windows', () => {
    expect(itemGate({ nowMs: NOON_MS, batch: batchOf({ kind: 'now' }) })).toBeUndefined();
    const own = batchOf({ kind: 'windows', text: 'Sat 11:00-13:00 UTC' });
    expect(itemGate({ nowMs: NOON_MS, batch: own })).toBeUndefined();
    expect(itemGate({ batch: own })).toMatch(/window/);
  });

  it('is open outside the window once nobody has asked for as long as the policy says', () => {
    const idle = { ...batchPolicy, idleMs: 20 * MINUTE_MS };
    expect(itemGate({ nowMs: NOON_MS, policy: idle, quietMs: 20 * MINUTE_MS - 1 })).toMatch(/window/);
    expect(itemGate({ nowMs: NOON_MS, policy: idle, quietMs: 20 * MINUTE_MS })).toBeUndefined();
  });

  it('is closed on a hot machine', () => {
    expect(itemGate({ hottestCelsius: 79.9 })).toBeUndefined();
    expect(itemGate({ hottestCelsius: 80 })).toMatch(/80 degrees, batch\.temperature_max is 80/);
  });

  it('is closed while other programs want the processor, unless they may have all of it', () => {
    expect(itemGate({ foreignShare: 0.5 })).toBeUndefined();
    expect(itemGate({ foreignShare: 0.72 })).toMatch(/take 72 % of the CPUs \(batch\.load_max\)/);
    expect(itemGate({ foreignShare: 1.02, policy: { ...batchPolicy, foreignLoadMax: 1 } })).toBeUndefined();
  });

  it('is closed while the gateway is drained, whatever else is so', () => {
    expect(itemGate({ isDraining: true, batch: batchOf({ kind: 'now' }) })).toMatch(/drained/);
  });
});

describe('windowsOf', () => {
  it('are the same objects each time, for they keep their present state', () => {
    const own = batchOf({ kind: 'windows', text: '01:00-02:00' });
    expect(windowsOf(own, batchPolicy)).toBe(windowsOf(own, batchPolicy));
    expect(windowsOf(own, { ...batchPolicy, timezone: 'Europe/Berlin' })).not.toBe(windowsOf(own, batchPolicy));
    expect(windowsOf(batchOf({ kind: 'now' }), batchPolicy)).toEqual([]);
  });
});
