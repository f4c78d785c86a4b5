import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { modelId } from '../../src/core/ids.ts';
import type { RuntimeAdapter } from '../../src/core/runtime.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import {
  acquire,
  engineAdapter,
  engineModel,
  enginePolicy,
  generate,
  hurriedClock,
  processRuns,
  startSupervisor,
  touch,
  viewOf,
} from './engine-bed.ts';

const RESIDENT = { kind: 'resident' } as const;
const signal = new AbortController().signal;

/** The error a promise rejects with. */
const errorOf = async (promise: Promise<unknown>): Promise<GatewayError> => {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return error;
};

describe('acquire', () => {
  it('starts a stopped model, says that it was cold, and answers from its process', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(
      enginePolicy([engineModel('small', { settings: { environment: { ENGINE_NAME: 'it is me' } } })]),
    );
    const lease = await acquire(supervisor, 'small');
    expect(lease.cold).toBe(true);
    expect(lease.loadMs).toBeGreaterThan(0);
    expect((await generate(lease)).text).toContain('it is me');
    expect(viewOf(supervisor, 'small')).toMatchObject({ residency: { kind: 'busy' }, running: 1 });
    await lease.release('ok');
    expect(viewOf(supervisor, 'small')).toMatchObject({ residency: { kind: 'ready' }, running: 0 });
    expect(log.states('small')).toEqual(['stopped>starting', 'starting>loading', 'loading>ready']);
  });

  it('gives a warm child at once and without a load', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    await (await acquire(supervisor, 'small')).release('ok');
    const lease = await acquire(supervisor, 'small');
    expect(lease).toMatchObject({ cold: false, loadMs: 0 });
  });

  it('waits for a free slot, and no longer than its signal', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    const first = await acquire(supervisor, 'small');
    const abort = new AbortController();
    const impatient = acquire(supervisor, 'small', abort.signal);
    const patient = acquire(supervisor, 'small');
    abort.abort(new Error('left'));
    await expect(impatient).rejects.toThrow('left');
    await first.release('ok');
    expect(await patient).toMatchObject({ cold: false });
  });

  it('gives nothing to a request that has already left', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    await (await acquire(supervisor, 'small')).release('ok');
    await expect(acquire(supervisor, 'small', AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
    expect(viewOf(supervisor, 'small').running).toBe(0);
  });

  it('runs as many at a time as the child has slots', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { parallel: 2 } })]));
    const [first, second] = await Promise.all([acquire(supervisor, 'small'), acquire(supervisor, 'small')]);
    expect(viewOf(supervisor, 'small').running).toBe(2);
    const third = acquire(supervisor, 'small');
    await first.release('ok');
    await third;
    expect(viewOf(supervisor, 'small').running).toBe(2);
    await second.release('ok');
  });

  it('names the models there are where it does not know the one asked for', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    const error = await errorOf(acquire(supervisor, 'large'));
    expect([error.code, error.message]).toEqual(['model_not_found', 'no model large; the policy has small']);
  });

  it('refuses a model whose runtime kind does not exist, with the reason', async () => {
    const { supervisor } = startSupervisor({ adapters: new Map() });
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    const error = await errorOf(acquire(supervisor, 'small'));
    expect(error.code).toBe('model_unavailable');
    expect(error.message).toContain('no runtime kind engine');
    expect(viewOf(supervisor, 'small').availability.kind).toBe('unavailable');
  });

  it('releases a lease once, however often it is told to', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { parallel: 2 } })]));
    const [first] = await Promise.all([acquire(supervisor, 'small'), acquire(supervisor, 'small')]);
    await first.release('ok');
    await first.release('failed');
    expect(viewOf(supervisor, 'small').running).toBe(1);
  });
});

describe('a start that fails', () => {
  it("tells the child's last line and backs off", async () => {
    const { supervisor, log } = startSupervisor();
    const environment = { ENGINE_EXIT_ON_LOAD: '3', ENGINE_LAST_WORDS: 'the disk is on fire' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment } })]));
    const error = await errorOf(acquire(supervisor, 'small'));
    expect(error.code).toBe('start_failed');
    expect(error.message).toContain('exited with code 3 before it was ready; its last line: the disk is on fire');
    expect(viewOf(supervisor, 'small').residency).toMatchObject({ kind: 'backoff' });
    expect(log.states('small')).toEqual(['stopped>starting', 'starting>loading', 'loading>backoff']);
  });

  it('is tried five times by a resident model and then left alone', async () => {
    const { supervisor, log } = startSupervisor({ hurry: 100 });
    const environment = { ENGINE_EXIT_ON_LOAD: '3' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT, settings: { environment } })]));
    await log.until(() => viewOf(supervisor, 'small').residency.kind === 'failed');
    expect(log.states('small').filter((change) => change === 'stopped>starting')).toHaveLength(5);
    const error = await errorOf(acquire(supervisor, 'small'));
    expect(error.message).toContain('is left alone until its file or the policy changes');
    expect(error.details.shouldRetry).toBe(false);
  });

  it("is not tried again where the child's words say it is hopeless", async () => {
    const { supervisor, log } = startSupervisor({ hurry: 1 });
    const environment = { ENGINE_EXIT_ON_LOAD: '1', ENGINE_LAST_WORDS: 'hopeless: bad magic' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT, settings: { environment } })]));
    await supervisor.ready();
    expect(viewOf(supervisor, 'small').residency).toMatchObject({ kind: 'failed' });
    expect(log.states('small').filter((change) => change === 'stopped>starting')).toHaveLength(1);
  });

  it('gets a new chance by hand and by a new policy', async () => {
    const switchFile = join(temporaryFolder(), 'absent');
    const { supervisor, log } = startSupervisor();
    const broken = { ENGINE_EXIT_ON_LOAD: '1', ENGINE_LAST_WORDS: 'hopeless' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment: broken } })]));
    await errorOf(acquire(supervisor, 'small'));
    await errorOf(supervisor.load(modelId('small'), signal));
    expect(log.states('small').filter((change) => change === 'stopped>starting')).toHaveLength(2);
    const repaired = { ENGINE_FAIL_WHEN: switchFile };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment: repaired } })]));
    await supervisor.load(modelId('small'), signal);
    expect(viewOf(supervisor, 'small').residency.kind).toBe('ready');
  });

  it('fails without a process where the launch plan cannot be made', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { extraArgs: ['--unknown'] } })]));
    expect((await errorOf(acquire(supervisor, 'small'))).message).toContain('no flag --unknown');
    expect(viewOf(supervisor, 'small').residency.kind).toBe('failed');
  });

  it('ends a child that does not become ready in time, even one that ignores SIGTERM', async () => {
    const { supervisor, log } = startSupervisor({ hurry: 40 });
    const environment = { ENGINE_LOAD_MS: '3600000', ENGINE_IGNORE_TERM: '1' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment } })]));
    const waiting = errorOf(acquire(supervisor, 'small'));
    await log.until(() => viewOf(supervisor, 'small').pid !== undefined);
    const pid = viewOf(supervisor, 'small').pid as number;
    const error = await waiting;
    expect(error.code).toBe('load_timeout');
    expect(error.message).toContain('was not ready after 30 s');
    await log.until(() => viewOf(supervisor, 'small').residency.kind === 'backoff');
    expect(processRuns(pid)).toBe(false);
  });
});

describe('a crash while ready', () => {
  it('backs off and then restarts a resident model by itself', async () => {
    const { supervisor, log } = startSupervisor({ hurry: 20 });
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT })]));
    await supervisor.ready();
    const pid = viewOf(supervisor, 'small').pid as number;
    process.kill(pid, 'SIGKILL');
    await log.until(() => log.states('small').filter((change) => change === 'loading>ready').length === 2);
    expect(log.states('small').slice(3, 5)).toEqual(['ready>backoff', 'backoff>stopped']);
    expect(viewOf(supervisor, 'small')).toMatchObject({ restarts: 1 });
    expect(viewOf(supervisor, 'small').pid).not.toBe(pid);
  });

  it('lets a request that comes meanwhile wait for the restart', async () => {
    const { supervisor, log } = startSupervisor({ hurry: 20 });
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    const first = await acquire(supervisor, 'small');
    process.kill(viewOf(supervisor, 'small').pid as number, 'SIGKILL');
    await log.until(() => viewOf(supervisor, 'small').residency.kind === 'backoff');
    await first.release('failed');
    const second = await acquire(supervisor, 'small');
    expect(second.cold).toBe(true);
    expect((await generate(second)).status).toBe(200);
  });
});

describe('a child that answers /health but fails generations', () => {
  it('is replaced when a one-token test fails after a failure', async () => {
    const switchFile = join(temporaryFolder(), 'fail');
    const { supervisor, log } = startSupervisor({ hurry: 20 });
    const settings = { environment: { ENGINE_FAIL_WHEN: switchFile } };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT, settings })]));
    const lease = await acquire(supervisor, 'small');
    const pid = viewOf(supervisor, 'small').pid as number;
    touch(switchFile);
    expect((await generate(lease)).status).toBe(500);
    await lease.release('failed');
    expect(processRuns(pid)).toBe(false);
    rmSync(switchFile);
    const again = await acquire(supervisor, 'small');
    expect((await generate(again)).status).toBe(200);
    expect(log.states('small')).toContain('busy>draining');
  });

  it('is replaced after three failures in a row though the tests between them work', async () => {
    const switchFile = join(temporaryFolder(), 'fail');
    const { supervisor } = startSupervisor({ hurry: 20 });
    const settings = { environment: { ENGINE_FAIL_WHEN: switchFile, ENGINE_HIDE_FAILURE: '1' } };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings })]));
    const pids: (number | undefined)[] = [];
    touch(switchFile);
    for (let round = 0; round < 3; round += 1) {
      const lease = await acquire(supervisor, 'small');
      pids.push(viewOf(supervisor, 'small').pid);
      expect((await generate(lease)).status).toBe(500);
      await lease.release('failed');
    }
    expect(new Set(pids).size).toBe(1);
    expect(processRuns(pids[0] as number)).toBe(false);
    expect(viewOf(supervisor, 'small').residency.kind).toBe('backoff');
  });

  it('is kept where a success comes between', async () => {
    const switchFile = join(temporaryFolder(), 'fail');
    const { supervisor } = startSupervisor({ hurry: 20 });
    const settings = { environment: { ENGINE_FAIL_WHEN: switchFile, ENGINE_HIDE_FAILURE: '1' } };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings })]));
    for (const how of ['failed', 'failed', 'ok', 'failed', 'failed'] as const) {
      await (await acquire(supervisor, 'small')).release(how);
    }
    expect(viewOf(supervisor, 'small').residency.kind).toBe('ready');
  });

  it('is stopped where it goes on working on an abandoned request', async () => {
    const switchFile = join(temporaryFolder(), 'stuck');
    const { supervisor } = startSupervisor({ hurry: 20 });
    const settings = { environment: { ENGINE_STUCK_WHEN: switchFile } };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings })]));
    const lease = await acquire(supervisor, 'small');
    const pid = viewOf(supervisor, 'small').pid as number;
    touch(switchFile);
    await lease.release('aborted');
    expect(processRuns(pid)).toBe(false);
    expect(viewOf(supervisor, 'small').residency.kind).toBe('stopped');
  });
});

describe('memory', () => {
  const two = [
    engineModel('nine', { settings: { context: 600 } }),
    engineModel('four', { settings: { context: 500 } }),
  ];

  it('stops an idle child to make room for another', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy(two, 1000));
    await (await acquire(supervisor, 'four')).release('ok');
    expect(supervisor.memory()).toEqual({ budgetBytes: 1000, pinnedBytes: 0, evictableBytes: 500 });
    await acquire(supervisor, 'nine');
    expect(viewOf(supervisor, 'four').residency.kind).toBe('stopped');
    expect(log.events).toContainEqual({ kind: 'child.evicted', model: 'four', for: 'nine', bytes: 500 });
    expect(supervisor.memory()).toEqual({ budgetBytes: 1000, pinnedBytes: 600, evictableBytes: 0 });
  });

  it('never stops a busy child: the newcomer waits, and takes the place once it is free', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy(two, 1000));
    const busy = await acquire(supervisor, 'four');
    const newcomer = acquire(supervisor, 'nine');
    // Whoever comes later does not overtake the one who waits for this memory.
    const later = acquire(supervisor, 'four');
    expect((await generate(busy)).status).toBe(200);
    expect(viewOf(supervisor, 'four').residency.kind).toBe('busy');
    await busy.release('ok');
    const lease = await newcomer;
    expect(log.states('four')).toContain('ready>draining');
    await lease.release('ok');
    expect((await generate(await later)).status).toBe(200);
  });

  it('frees those who waited behind a newcomer that left', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(
      enginePolicy([engineModel('four', { settings: { context: 500, parallel: 2 } }), ...two.slice(0, 1)], 1000),
    );
    await acquire(supervisor, 'four');
    const abort = new AbortController();
    const newcomer = acquire(supervisor, 'nine', abort.signal);
    const behind = acquire(supervisor, 'four');
    abort.abort(new Error('left'));
    await expect(newcomer).rejects.toThrow('left');
    expect(await behind).toMatchObject({ cold: false });
  });

  it('refuses what cannot fit even alone, with the figures', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(
      enginePolicy([engineModel('giant', { settings: { context: 20_800_000_000 } })], 14_000_000_000),
    );
    const error = await errorOf(acquire(supervisor, 'giant'));
    expect(error.code).toBe('model_unavailable');
    expect(error.message).toContain('needs 20.8 GB (estimated: file size + KV formula), more than the 14.0 GB');
    expect(log.states('giant')).toEqual([]);
  });

  it('takes the measured peak before the formula', async () => {
    const figure = { value: 900, provenance: 'measured', n: 5, source: 'run 7' } as const;
    const { supervisor } = startSupervisor({ measured: () => ({ peakMemoryBytes: figure }) });
    await supervisor.applyPolicy(enginePolicy([engineModel('four', { settings: { context: 500 } })], 1000));
    expect(viewOf(supervisor, 'four')).toMatchObject({ memoryBytes: 900, memoryBasis: 'measured: run 7' });
  });

  it('brings an evicted resident model back when there is room again', async () => {
    const { supervisor, log } = startSupervisor();
    const [nine, four] = two as [(typeof two)[0], (typeof two)[0]];
    await supervisor.applyPolicy(
      enginePolicy(
        [
          { ...four, keep: RESIDENT },
          { ...nine, keep: { kind: 'never' } },
        ],
        1000,
      ),
    );
    await supervisor.ready();
    const lease = await acquire(supervisor, 'nine');
    expect(viewOf(supervisor, 'four').residency.kind).toBe('stopped');
    await lease.release('ok');
    await log.until(() => log.states('four').filter((change) => change === 'loading>ready').length === 2);
    expect(viewOf(supervisor, 'nine').residency.kind).toBe('stopped');
  });

  it('starts resident models only as far as they fit, and says which was left out', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(
      enginePolicy(
        two.map((model) => ({ ...model, keep: RESIDENT })),
        1000,
      ),
    );
    await supervisor.ready();
    expect([viewOf(supervisor, 'nine').residency.kind, viewOf(supervisor, 'four').residency.kind]).toEqual([
      'ready',
      'stopped',
    ]);
    const notices = log.events.flatMap((event) => (event.kind === 'gateway.notice' ? [event.message] : []));
    expect(notices).toEqual([expect.stringContaining('four does not fit beside what is loaded')]);
  });

  it('breaks a load off that nobody waits for any more, as soon as another model is wanted', async () => {
    const { supervisor, log } = startSupervisor();
    const slow = engineModel('slow', { settings: { context: 600, environment: { ENGINE_LOAD_MS: '3600000' } } });
    await supervisor.applyPolicy(enginePolicy([slow, ...two.slice(1)], 1000));
    const abort = new AbortController();
    const first = acquire(supervisor, 'slow', abort.signal);
    await log.until(() => log.states('slow').includes('starting>loading'));
    abort.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    expect(viewOf(supervisor, 'slow').residency.kind).toBe('starting');
    const other = acquire(supervisor, 'four');
    // Whoever comes while it leaves is not told of that load's end, and has a load of its own.
    const again = new AbortController();
    const second = acquire(supervisor, 'slow', again.signal);
    await (await other).release('ok');
    await log.until(() => log.states('slow').filter((change) => change === 'starting>loading').length === 2);
    again.abort(new Error('left too'));
    await expect(second).rejects.toThrow('left too');
  });

  it('loads one model at a time', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy(['a', 'b', 'c'].map((id) => engineModel(id))));
    await Promise.all(['a', 'b', 'c'].map((id) => acquire(supervisor, id)));
    const loads = log.events.flatMap((event) => (event.kind === 'child.state' ? [`${event.model} ${event.to}`] : []));
    expect(loads).toEqual(['a', 'b', 'c'].flatMap((id) => [`${id} starting`, `${id} loading`, `${id} ready`]));
  });
});

describe('a paused lease', () => {
  const stateOf = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  const pausable = new Map([['engine', { ...engineAdapter(hurriedClock(1)), pausable: true }]]);
  const two = [
    engineModel('nine', { settings: { context: 600 } }),
    engineModel('four', { settings: { context: 500 } }),
  ];
  /** A lease of `nine` whose process stands still; `given` counts how often it was asked to give up. */
  const standing = async (memory: number) => {
    const bed = startSupervisor({ adapters: pausable });
    await bed.supervisor.applyPolicy(enginePolicy(two, memory));
    const lease = await acquire(bed.supervisor, 'nine');
    const pid = viewOf(bed.supervisor, 'nine').pid as number;
    let given = 0;
    const giveUp = () => {
      given += 1;
      lease.release('aborted').catch(() => undefined);
    };
    expect(lease.pause(giveUp)).toBe(true);
    await until('the process stands still', () => stateOf(pid) === 'T');
    return { ...bed, lease, pid, given: () => given };
  };

  it('goes on where it was, and can be paused again', async () => {
    const { supervisor, lease, pid } = await standing(2000);
    expect(lease.pause(() => undefined)).toBe(false);
    expect(supervisor.connectionOf(modelId('nine'))).toBeUndefined();
    lease.resume();
    expect((await generate(lease)).status).toBe(200);
    expect(lease.pause(() => undefined)).toBe(true);
    // Given back, it is not left standing.
    await lease.release('ok');
    expect(stateOf(pid)).not.toBe('T');
    expect(lease.pause(() => undefined)).toBe(false);
  });

  it('is given up for somebody who wants its child', async () => {
    const { supervisor, given } = await standing(2000);
    expect((await generate(await acquire(supervisor, 'nine'))).status).toBe(200);
    expect(given()).toBe(1);
  });

  it('is given up for somebody who wants its memory', async () => {
    const { supervisor, given } = await standing(1000);
    expect((await generate(await acquire(supervisor, 'four'))).status).toBe(200);
    expect(given()).toBe(1);
  });

  it('does not outlive the gateway', async () => {
    const { supervisor, pid } = await standing(2000);
    await supervisor.stop(0);
    expect(processRuns(pid)).toBe(false);
  });

  it('is not to be had of a kind that cannot, nor where somebody waits for the child', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy(two, 2000));
    expect((await acquire(supervisor, 'nine')).pause(() => undefined)).toBe(false);
    const other = startSupervisor({ adapters: pausable });
    await other.supervisor.applyPolicy(enginePolicy(two, 2000));
    const busy = await acquire(other.supervisor, 'nine');
    const next = acquire(other.supervisor, 'nine');
    expect(busy.pause(() => undefined)).toBe(false);
    await busy.release('ok');
    await next;
  });
});

describe('keep', () => {
  it('unloads an idle model after its time, and not one that is busy', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: { kind: 'idle', idleMs: 1 } })]));
    const lease = await acquire(supervisor, 'small');
    // Far more than the idle time passes while it works.
    for (let round = 0; round < 3; round += 1) await generate(lease);
    expect(viewOf(supervisor, 'small').residency.kind).toBe('busy');
    await lease.release('ok');
    await log.until(() => log.states('small').includes('draining>stopped'));
  });

  it('unloads a `never` model after each use, but not before its first', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: { kind: 'never' } })]));
    await supervisor.load(modelId('small'), signal);
    expect(viewOf(supervisor, 'small').residency.kind).toBe('ready');
    await (await acquire(supervisor, 'small')).release('ok');
    await log.until(() => log.states('small').includes('draining>stopped'));
  });

  it('holds a resident model that was unloaded by hand until somebody asks for it', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT })]));
    await supervisor.ready();
    await supervisor.unload(modelId('small'));
    expect(log.states('small').at(-1)).toBe('draining>stopped');
    await acquire(supervisor, 'small');
    expect(viewOf(supervisor, 'small').residency.kind).toBe('busy');
  });
});

describe('applyPolicy', () => {
  const named = (name: string) => engineModel('small', { settings: { environment: { ENGINE_NAME: name } } });

  it('replaces a child whose settings changed once it is idle', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([named('old')]));
    const old = await acquire(supervisor, 'small');
    await supervisor.applyPolicy(enginePolicy([named('new')]));
    const waiting = acquire(supervisor, 'small');
    expect((await generate(old)).text).toContain('old');
    await old.release('ok');
    expect((await generate(await waiting)).text).toContain('new');
  });

  it('lets those who wait for a load have the new launch where the old one is given up', async () => {
    const { supervisor, log } = startSupervisor();
    const slow = engineModel('small', { settings: { environment: { ENGINE_LOAD_MS: '3600000' } } });
    await supervisor.applyPolicy(enginePolicy([slow]));
    const waiting = acquire(supervisor, 'small');
    await log.until(() => log.states('small').includes('starting>loading'));
    await supervisor.applyPolicy(enginePolicy([named('new')]));
    expect((await generate(await waiting)).text).toContain('new');
  });

  it('keeps a child whose launch did not change', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([named('same')]));
    await (await acquire(supervisor, 'small')).release('ok');
    const { pid } = viewOf(supervisor, 'small');
    await supervisor.applyPolicy(enginePolicy([{ ...named('same'), aliases: ['other'] }]));
    expect(viewOf(supervisor, 'small').pid).toBe(pid);
  });

  it('lets the last generation of a model that left the policy end, then stops it', async () => {
    const { supervisor, log } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([named('gone')]));
    const lease = await acquire(supervisor, 'small');
    await supervisor.applyPolicy(enginePolicy([engineModel('other')]));
    expect([...supervisor.views().keys()]).toEqual(['other']);
    expect(supervisor.memory().pinnedBytes).toBe(1);
    expect((await generate(lease)).text).toContain('gone');
    await lease.release('ok');
    await log.until(() => log.states('small').includes('draining>stopped'));
    expect(supervisor.memory().pinnedBytes).toBe(0);
  });
});

describe('a model that becomes available', () => {
  it('is noticed without a new policy, and started where it is resident', async () => {
    const clock = hurriedClock(20);
    const engine = engineAdapter(clock);
    let present = false;
    const adapter: RuntimeAdapter = {
      ...engine,
      inspect: async (model, runtime) =>
        present
          ? engine.inspect(model, runtime)
          : {
              availability: { kind: 'unavailable', reason: 'not there', remedy: 'put it there' },
              facts: undefined,
              runtimeVersion: undefined,
            },
    };
    const { supervisor, log } = startSupervisor({ clock, adapters: new Map([['engine', adapter]]) });
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { keep: RESIDENT })]));
    await supervisor.ready();
    expect((await errorOf(acquire(supervisor, 'small'))).message).toBe('small is unavailable: not there; put it there');
    present = true;
    await log.until(() => log.states('small').includes('loading>ready'));
    expect(viewOf(supervisor, 'small').availability.kind).toBe('available');
  });
});

describe('logs', () => {
  it('keeps what the child printed and streams what it prints', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small')]));
    const heard: string[] = [];
    const stop = supervisor.onLog(modelId('small'), (line) => heard.push(line));
    await acquire(supervisor, 'small');
    stop();
    const listening = expect.stringMatching(/^listening on \d+$/);
    expect(supervisor.logs(modelId('small'))).toContainEqual(listening);
    expect(heard).toContainEqual(listening);
  });
});

describe('stop', () => {
  it('lets running generations finish, refuses new ones, and leaves no process', async () => {
    const { supervisor } = startSupervisor();
    await supervisor.applyPolicy(enginePolicy([engineModel('small'), engineModel('other')]));
    const lease = await acquire(supervisor, 'small');
    await (await acquire(supervisor, 'other')).release('ok');
    const pids = ['small', 'other'].map((id) => viewOf(supervisor, id).pid as number);
    const stopped = supervisor.stop(30_000);
    expect((await errorOf(acquire(supervisor, 'other'))).code).toBe('shutting_down');
    expect((await generate(lease)).status).toBe(200);
    await lease.release('ok');
    await stopped;
    expect(pids.map(processRuns)).toEqual([false, false]);
  });

  it('does not wait longer than it was told to', async () => {
    const { supervisor } = startSupervisor({ hurry: 20 });
    const environment = { ENGINE_IGNORE_TERM: '1' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment } })]));
    await acquire(supervisor, 'small');
    const pid = viewOf(supervisor, 'small').pid as number;
    await supervisor.stop(100);
    expect(processRuns(pid)).toBe(false);
  });

  it('ends a load that is under way', async () => {
    const { supervisor, log } = startSupervisor();
    const environment = { ENGINE_LOAD_MS: '3600000' };
    await supervisor.applyPolicy(enginePolicy([engineModel('small', { settings: { environment } })]));
    const waiting = errorOf(acquire(supervisor, 'small'));
    await log.until(() => log.states('small').includes('starting>loading'));
    const pid = viewOf(supervisor, 'small').pid as number;
    await supervisor.stop(0);
    expect((await waiting).code).toBe('shutting_down');
    expect(processRuns(pid)).toBe(false);
  });
});
