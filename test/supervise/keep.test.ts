import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { KeepPolicy } from '../../src/core/policy.ts';
import { acquire, engineModel, enginePolicy, startSupervisor, viewOf } from './engine-bed.ts';

const SMALL = modelId('small');
const RESIDENT = { kind: 'resident' } as const;
const signal = new AbortController().signal;

/** A supervisor of one model that is kept so by the policy. */
async function startSmall(keep: KeepPolicy) {
  const { supervisor, log } = startSupervisor();
  await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep })]));
  await supervisor.ready();
  return { supervisor, log };
}

describe('keep', () => {
  it('stops a model after its next use although the policy would keep it', async () => {
    const { supervisor, log } = await startSmall({ kind: 'idle', idleMs: 3_600_000 });
    const lease = await acquire(supervisor, 'small');
    supervisor.keep(SMALL, { kind: 'never' });
    expect(viewOf(supervisor, 'small')).toMatchObject({ residency: { kind: 'busy' }, keep: { kind: 'never' } });
    await lease.release('ok');
    await log.until(() => log.states('small').includes('draining>stopped'));
  });

  it('holds for the process it was said to, and not for the next', async () => {
    const { supervisor } = await startSmall({ kind: 'idle', idleMs: 3_600_000 });
    await supervisor.load(SMALL, signal);
    supervisor.keep(SMALL, RESIDENT);
    expect(viewOf(supervisor, 'small')).toMatchObject({ keep: RESIDENT, unloadsAtMs: undefined });
    await supervisor.unload(SMALL);
    await supervisor.load(SMALL, signal);
    expect(viewOf(supervisor, 'small').keep).toEqual({ kind: 'idle', idleMs: 3_600_000 });
  });

  it('says when an idle model is stopped', async () => {
    const { supervisor } = await startSmall({ kind: 'never' });
    const before = Date.now();
    await supervisor.load(SMALL, signal);
    supervisor.keep(SMALL, { kind: 'idle', idleMs: 60_000 });
    expect(viewOf(supervisor, 'small').unloadsAtMs).toBeGreaterThanOrEqual(before + 60_000);
    await acquire(supervisor, 'small');
    expect(viewOf(supervisor, 'small').unloadsAtMs).toBeUndefined();
  });

  it('gives a resident model no idle time, but lets it go at once until somebody asks', async () => {
    const { supervisor, log } = await startSmall(RESIDENT);
    supervisor.keep(SMALL, { kind: 'idle', idleMs: 1 });
    expect(viewOf(supervisor, 'small')).toMatchObject({ keep: RESIDENT, unloadsAtMs: undefined });
    const lease = await acquire(supervisor, 'small');
    supervisor.keep(SMALL, { kind: 'never' });
    await lease.release('ok');
    await log.until(() => log.states('small').includes('draining>stopped'));
    expect(viewOf(supervisor, 'small').residency.kind).toBe('stopped');
    await supervisor.load(SMALL, signal);
    expect(viewOf(supervisor, 'small').keep).toEqual(RESIDENT);
  });

  it('does nothing to a model without a process or of an unknown name', async () => {
    const { supervisor } = await startSmall({ kind: 'never' });
    supervisor.keep(SMALL, RESIDENT);
    expect(viewOf(supervisor, 'small').keep).toEqual({ kind: 'never' });
    expect(() => supervisor.keep(modelId('large'), RESIDENT)).not.toThrow();
  });
});

describe('unload', () => {
  it('waits for the generation that runs', async () => {
    const { supervisor } = await startSmall(RESIDENT);
    const lease = await acquire(supervisor, 'small');
    const gone = supervisor.unload(SMALL);
    expect(viewOf(supervisor, 'small')).toMatchObject({ residency: { kind: 'draining' }, running: 1 });
    await lease.release('ok');
    await gone;
    expect(viewOf(supervisor, 'small').residency.kind).toBe('stopped');
  });

  it('makes those who wait for the load that it ends wait for another', async () => {
    const { supervisor, log } = await startSmall({ kind: 'never' });
    const waiting = acquire(supervisor, 'small');
    await log.until(() => log.states('small').includes('starting>loading'));
    await supervisor.unload(SMALL);
    await (await waiting).release('ok');
    expect(log.states('small').filter((change) => change === 'stopped>starting')).toHaveLength(2);
  });

  it('has nothing to do where none runs, and names the models where it knows none of that name', async () => {
    const { supervisor } = await startSmall({ kind: 'never' });
    await supervisor.unload(SMALL);
    await expect(supervisor.unload(modelId('large'))).rejects.toThrow('no model large; the policy has small');
  });
});
