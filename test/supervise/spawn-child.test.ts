import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { identifyProcess } from '../../src/supervise/process-identity.ts';
import { type SpawnRequest, spawnChild } from '../../src/supervise/spawn-child.ts';
import { until } from '../helpers/until.ts';
import { processRuns } from './engine-bed.ts';

const environment = { PATH: process.env['PATH'] ?? '' };

function start(script: string, given: Partial<SpawnRequest> = {}) {
  const lines: string[] = [];
  let wake: () => void = () => undefined;
  const onLine = (line: string) => {
    lines.push(line);
    wake();
  };
  const child = spawnChild({ command: 'sh', args: ['-c', script], environment, onLine, ...given }, systemClock);
  const firstLine = new Promise<string>((resolve) => {
    wake = () => resolve(lines[0] ?? '');
  });
  return { child, lines, firstLine };
}

describe('spawnChild', () => {
  it('tells every line of both streams, the last without a line end too, before it tells the end', async () => {
    const { child, lines } = start('echo one; echo two >&2; printf three; exit 4');
    expect(await (await child).ended).toEqual({ code: 4, signal: undefined });
    expect(lines.toSorted()).toEqual(['one', 'three', 'two']);
  });

  it('tells the signal that ended it', async () => {
    const { child } = start('kill -9 $$');
    expect(await (await child).ended).toEqual({ code: undefined, signal: 'SIGKILL' });
  });

  it('passes no environment but the one given', async () => {
    const { child, lines } = start('echo "home=$HOME mine=$MINE"', { environment: { ...environment, MINE: 'yes' } });
    await (await child).ended;
    expect(lines).toEqual(['home= mine=yes']);
  });

  it('signals the whole group: a grandchild goes too', async () => {
    const { child, firstLine } = start('sleep 600 & echo $!; wait');
    const grandchild = Number(await firstLine);
    expect(processRuns(grandchild)).toBe(true);
    (await child).signal('SIGTERM');
    await (await child).ended;
    expect(await isGone(grandchild)).toBe(true);
  });

  it('kills what the program leaves behind, unless told to leave it', async () => {
    const killed = start('sleep 600 & echo $!');
    const left = start('sleep 600 & echo $!', { strays: 'leave' });
    await (await killed.child).ended;
    await (await left.child).ended;
    expect(await isGone(Number(killed.lines[0]))).toBe(true);
    expect(processRuns(Number(left.lines[0]))).toBe(true);
    process.kill(Number(left.lines[0]), 'SIGKILL');
  });

  it('cuts a line that does not end', async () => {
    const { child, lines } = start('head -c 1000000 /dev/zero | tr "\\0" x; echo; echo after');
    await (await child).ended;
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(8192);
    expect(lines.at(-1)).toBe('after');
  });

  it('gives a Node program a channel for messages, and tells when it closes', async () => {
    const script =
      "process.on('message', (m) => { process.send({ got: m }); console.log('printed'); process.disconnect(); })";
    const given = { command: process.execPath, args: ['-e', script], ipc: true };
    const { child, lines } = start('', given);
    const { channel, ended } = await child;
    const closed = new Promise<void>((resolve) => channel?.onClose(resolve));
    const heard: string[] = [];
    channel?.onLine((line) => heard.push(line));
    const answer = new Promise((resolve) => channel?.onMessage(resolve));
    channel?.send({ text: 'one\ntwo' });
    expect(await answer).toEqual({ got: { text: 'one\ntwo' } });
    await closed;
    await ended;
    channel?.send({ text: 'to nobody' });
    expect(await new Promise((resolve) => channel?.onClose(() => resolve('told again')))).toBe('told again');
    expect([lines, heard]).toEqual([['printed'], ['printed']]);
  });

  it('reads the byte stream of a program to its end before it tells that the channel has closed', async () => {
    const script = "require('node:fs').writeSync(4, 'x'.repeat(50_000)); process.exit(0)";
    const given = { command: process.execPath, args: ['-e', script], ipc: true, byteStream: true };
    const { channel, ended } = await start('', given).child;
    let length = 0;
    channel?.onBytes((bytes) => {
      length += bytes.length;
    });
    const atClose = await new Promise((resolve) => channel?.onClose(() => resolve(length)));
    expect(atClose).toBe(50_000);
    await ended;
  });

  it('opens no channel unless asked', async () => {
    const { channel, ended } = await start('true').child;
    expect(channel).toBeUndefined();
    await ended;
  });

  it('tells a program that does not exist by its end or its error', async () => {
    const outcome = await start('', { command: '/nowhere/at-all' })
      .child.then((child) => child.ended)
      .then((status) => status.code !== 0)
      .catch((error: Error) => error.message.includes('ENOENT'));
    expect(outcome).toBe(true);
  });
});

/** Waits for the kernel to finish a killed process; init reaps it when it likes. */
const isGone = (pid: number): Promise<boolean> =>
  until(`process ${pid} is gone`, () => identifyProcess(pid) === undefined);
