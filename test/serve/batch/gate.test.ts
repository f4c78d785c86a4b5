import { describe, expect, it } from 'vitest';
import type { Batch, BatchWhen } from '../../../src/core/batch.ts';
import type { BatchPolicy } from '../../../src/core/policy.ts';
import { parseWindows } from '../../../src/policy/windows.ts';
import { type GateInput, gateOf, windowsOf } from '../../../src/serve/batch/gate.ts';

const MINUTE_MS = 60_000;
const NIGHT_MS = Date.parse('2026-11-21T23:00:00Z');
const NOON_MS = Date.parse('2026-11-21T12:00:00Z');
const policy = {
  windows: parseWindows('22:00-07:00', 'UTC'),
  timezone: 'UTC',
  idleMs: undefined,
  temperatureMaxCelsius: 80,
  foreignLoadMax: 0.5,
} as unknown as BatchPolicy;
const batchOf = (when: BatchWhen): Batch => ({ request: { when } }) as unknown as Batch;

const gate = (given: Partial<GateInput> = {}) =>
  gateOf({
    ...{ batch: batchOf({ kind: 'policy' }), policy, nowMs: NIGHT_MS, isDraining: false, quietMs: 0 },
    ...{ hottestCelsius: undefined, foreignShare: undefined },
    ...given,
  });

describe('the gate before an item', () => {
  it('is open in a window, on a machine of which nothing can be read', () => {
    expect(gate()).toBeUndefined();
  });

  it('is closed outside it, and says when it opens', () => {
    expect(gate({ nowMs: NOON_MS })).toMatch(/waits for its window, which opens in 10 ?h/);
  });

  it('is open at any time for a batch that does not wait, and in the batch’s own windows', () => {
    expect(gate({ nowMs: NOON_MS, batch: batchOf({ kind: 'now' }) })).toBeUndefined();
    const own = batchOf({ kind: 'windows', text: 'Sat 11:00-13:00 UTC' });
    expect(gate({ nowMs: NOON_MS, batch: own })).toBeUndefined();
    expect(gate({ batch: own })).toMatch(/window/);
  });

  it('is open outside the window once nobody has asked for as long as the policy says', () => {
    const idle = { ...policy, idleMs: 20 * MINUTE_MS };
    expect(gate({ nowMs: NOON_MS, policy: idle, quietMs: 20 * MINUTE_MS - 1 })).toMatch(/window/);
    expect(gate({ nowMs: NOON_MS, policy: idle, quietMs: 20 * MINUTE_MS })).toBeUndefined();
  });

  it('is closed on a hot machine', () => {
    expect(gate({ hottestCelsius: 79.9 })).toBeUndefined();
    expect(gate({ hottestCelsius: 80 })).toMatch(/80 degrees, batch\.temperature_max is 80/);
  });

  it('is closed while other programs want the processor, unless they may have all of it', () => {
    expect(gate({ foreignShare: 0.5 })).toBeUndefined();
    expect(gate({ foreignShare: 0.72 })).toMatch(/take 72 % of the CPUs \(batch\.load_max\)/);
    expect(gate({ foreignShare: 1.02, policy: { ...policy, foreignLoadMax: 1 } })).toBeUndefined();
  });

  it('is closed while the gateway is drained, whatever else is so', () => {
    expect(gate({ isDraining: true, batch: batchOf({ kind: 'now' }) })).toMatch(/drained/);
  });
});

describe('the windows of a batch', () => {
  it('are the same objects each time, for they keep their present state', () => {
    const own = batchOf({ kind: 'windows', text: '01:00-02:00' });
    expect(windowsOf(own, policy)).toBe(windowsOf(own, policy));
    expect(windowsOf(own, { ...policy, timezone: 'Europe/Berlin' })).not.toBe(windowsOf(own, policy));
    expect(windowsOf(batchOf({ kind: 'now' }), policy)).toEqual([]);
  });
});
