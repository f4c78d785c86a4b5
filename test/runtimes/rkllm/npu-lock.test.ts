import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npuLockFile, openNpuLock, openNpuLockOrNone } from '../../../runtimes/rkllm/npu-lock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { contentOf, startNpu, talk } from './npu-bed.ts';

const PATIENT = { isOver: () => false, onWait: () => undefined };
const lockFile = () => join(temporaryFolder(), 'npu.lock');

describe('openNpuLock', () => {
  it('is one holder’s at a time, and the next one’s once it is given back', async () => {
    const file = lockFile();
    const [first, second] = [openNpuLock(file, systemClock), openNpuLock(file, systemClock)];
    expect(await first.take(PATIENT)).toBe(true);
    let isTaken = false;
    const waiting = second.take(PATIENT).then(() => (isTaken = true));
    await new Promise(setImmediate);
    expect(isTaken).toBe(false);
    first.release();
    expect(await waiting).toBe(true);
    // What is held may be taken again, and given back without being held.
    expect(await second.take(PATIENT)).toBe(true);
    first.release();
    second.release();
    second.release();
    expect(await first.take(PATIENT)).toBe(true);
  });

  it('shows a sign of life about once a second while it waits, and gives up when told', async () => {
    const file = lockFile();
    await openNpuLock(file, systemClock).take(PATIENT);
    const clock = fakeClock();
    const seen = { signs: 0, isOver: false };
    const waiting = openNpuLock(file, clock).take({ isOver: () => seen.isOver, onWait: () => (seen.signs += 1) });
    for (let step = 0; step < 301; step += 1) {
      clock.advance(10);
      await Promise.resolve();
    }
    expect(seen.signs).toBe(4);
    seen.isOver = true;
    clock.advance(10);
    expect(await waiting).toBe(false);
  });

  it('is free again when its holder has been killed', async () => {
    const file = lockFile();
    writeFileSync(file, '');
    const holder = spawn('sh', ['-c', `exec flock ${file} sh -c 'echo held; exec sleep 60'`], { detached: true });
    await once(holder.stdout, 'data');
    const lock = openNpuLock(file, systemClock);
    const waiting = lock.take(PATIENT);
    process.kill(-(holder.pid as number), 'SIGKILL');
    expect(await waiting).toBe(true);
  });

  it('needs no more than to read the file of another', async () => {
    const file = lockFile();
    writeFileSync(file, '');
    chmodSync(file, 0o444);
    expect(await openNpuLock(file, systemClock).take(PATIENT)).toBe(true);
  });
});

describe('openNpuLockOrNone', () => {
  it('warns where there can be no lock, and lets everybody pass', async () => {
    const warnings: string[] = [];
    const lock = openNpuLockOrNone('/nowhere/npu.lock', systemClock, (why) => warnings.push(why));
    expect(await lock.take(PATIENT)).toBe(true);
    lock.release();
    expect(warnings).toEqual([expect.stringContaining('/nowhere/npu.lock')]);
  });
});

describe('npuLockFile', () => {
  it('lies where all programs of a machine find it', () => {
    expect(existsSync(join(npuLockFile(), '..'))).toBe(true);
    expect(npuLockFile()).toMatch(/\/sluice-npu\.lock$/);
  });
});

describe('two gateways on one NPU', () => {
  it('take turns: a run waits until that of the other has ended', async () => {
    const deps = { npuLock: lockFile() };
    const [mine, other] = await Promise.all([
      startNpu({ deps, standIn: { repeat: 20, decode_ms: 10, answer: 'mine|!' } }),
      startNpu({ deps, standIn: { repeat: 20, decode_ms: 10, answer: 'yours|!' } }),
    ]);
    await mine.ask({ max_tokens: 1 });
    await other.ask({ max_tokens: 1 });
    const [leaseOfMine, leaseOfOther] = [await mine.acquire(), await other.acquire()];
    const first = talk(leaseOfMine, { stream: true });
    await first.began;
    const second = talk(leaseOfOther, { stream: true });
    const order: string[] = [];
    await Promise.all([
      first.whole.then(() => order.push('first ended')),
      second.began.then(() => order.push('second began')),
    ]);
    expect(order).toEqual(['first ended', 'second began']);
    expect(contentOf((await second.whole).text)).toContain('yours!');
    await leaseOfMine.release('ok');
    await leaseOfOther.release('ok');
  });

  it('do not wait for a worker that was killed in its run', async () => {
    const deps = { npuLock: lockFile() };
    const [mine, other] = await Promise.all([
      startNpu({ deps, standIn: { repeat: 2000, decode_ms: 10 } }),
      startNpu({ deps, standIn: { answer: 'still here' } }),
    ]);
    const lease = await mine.acquire();
    const running = talk(lease, { stream: true });
    await running.began;
    const waiting = other.ask({});
    process.kill(mine.view()?.pid ?? 0, 'SIGKILL');
    expect((await running.whole).error).toMatchObject({ code: 'runtime_failed' });
    await lease.release('failed');
    expect(contentOf((await waiting).text)).toBe('still here');
  });

  it('lets a request go at once that is aborted while the other has the NPU', async () => {
    const deps = { npuLock: lockFile() };
    const [mine, other] = await Promise.all([
      startNpu({ deps, standIn: { repeat: 2000, decode_ms: 10 } }),
      startNpu({ deps }),
    ]);
    await other.ask({ max_tokens: 1 });
    const [lease, waiter] = [await mine.acquire(), await other.acquire()];
    const running = talk(lease, { stream: true });
    await running.began;
    const waiting = talk(waiter, {});
    waiting.exchange.abort();
    await waiter.release('aborted');
    expect(other.calls('run')).toHaveLength(1);
    running.exchange.abort();
    await lease.release('aborted');
    expect((await other.ask({ max_tokens: 1 })).status).toBe(200);
  });
});
