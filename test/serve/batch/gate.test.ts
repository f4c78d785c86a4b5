import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../../src/core/ids.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import { swapGateOf } from '../../../src/serve/batch/gate.ts';
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
