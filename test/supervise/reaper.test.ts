import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { identifyProcess, isRunning } from '../../src/supervise/process-identity.ts';
import { createReaper } from '../../src/supervise/reaper.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function startSleeper() {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  const ended = new Promise<string | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { pid: child.pid as number, ended };
}

const silent = () => undefined;

describe('createReaper', () => {
  it('kills what an earlier one wrote down and did not forget', async () => {
    const folder = temporaryFolder();
    const [left, finished] = [startSleeper(), startSleeper()];
    const earlier = createReaper(folder, silent);
    earlier.record(left.pid);
    earlier.record(finished.pid);
    earlier.forget(finished.pid);
    const events: GatewayEvent[] = [];
    const reaper = createReaper(folder, (event) => events.push(event));
    expect(reaper.reapLeftovers()).toBe(1);
    expect(await left.ended).toBe('SIGKILL');
    expect(identifyProcess(finished.pid)).toBeDefined();
    expect(events).toEqual([
      expect.objectContaining({ level: 'warn', message: expect.stringContaining(String(left.pid)) }),
    ]);
    expect(reaper.reapLeftovers()).toBe(0);
  });

  it('spares a process that only has the pid of one written down', () => {
    const folder = temporaryFolder();
    const innocent = startSleeper();
    const identity = { ...identifyProcess(innocent.pid), startTicks: '12' };
    writeFileSync(
      join(folder, 'children.json'),
      JSON.stringify([identity, { pid: 1, startTicks: 'x', bootId: 'y' }, 'rubbish']),
    );
    expect(createReaper(folder, silent).reapLeftovers()).toBe(0);
    expect(identifyProcess(innocent.pid)).toBeDefined();
  });

  it.each(['', '{', '{}', 'null'])('does nothing with a broken list (%j)', (text) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'children.json'), text);
    expect(createReaper(folder, silent).reapLeftovers()).toBe(0);
  });

  it('writes a pid down at once', () => {
    const folder = temporaryFolder();
    createReaper(folder, silent).record(process.pid);
    expect(JSON.parse(readFileSync(join(folder, 'children.json'), 'utf8'))).toEqual([identifyProcess(process.pid)]);
  });

  it('tells, and does not throw, where the list cannot be written', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const events: GatewayEvent[] = [];
    createReaper(join(file, 'data'), (event) => events.push(event)).record(process.pid);
    expect(events).toEqual([expect.objectContaining({ kind: 'gateway.notice', level: 'warn' })]);
  });
});

describe('isRunning', () => {
  it('knows this very process, and not one of another start or boot', () => {
    const own = identifyProcess(process.pid);
    if (own === undefined) throw new Error('no /proc');
    expect(isRunning(own)).toBe(true);
    expect(isRunning({ ...own, startTicks: '1' })).toBe(false);
    expect(isRunning({ ...own, bootId: 'another' })).toBe(false);
  });
});
