import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { BeforeStart, MachinePolicy } from '../../src/core/policy.ts';
import { runBeforeStart } from '../../src/supervise/before-start.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { eventLog, hurriedClock, processRuns } from './engine-bed.ts';

const ENGINE = join(import.meta.dirname, '../fixtures/children/engine.js');

const sh = (script: string, given: Partial<BeforeStart> = {}): BeforeStart => ({
  run: ['sh', '-c', script],
  environment: {},
  ready: { kind: 'exit' },
  timeoutMs: 10_000,
  keep: false,
  skipWhenReady: false,
  ...given,
});

const machine = (...beforeStart: readonly BeforeStart[]): MachinePolicy => ({
  memoryBytes: undefined,
  reserveBytes: 0,
  environment: { FROM_MACHINE: 'machine' },
  nodeHeapBytes: undefined,
  beforeStart,
});

async function run(policy: MachinePolicy, clock = systemClock) {
  const log = eventLog();
  const running = await runBeforeStart(policy, { clock, emit: log.emit, dataDir: temporaryFolder() });
  onTestFinished(() => running.stop());
  return { running, log };
}

async function listeningPort(): Promise<number> {
  const server = createServer((_, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const pidIn = (file: string) => Number(readFileSync(file, 'utf8'));

describe('runBeforeStart', () => {
  it("runs the commands one after another with the machine's environment and their own", async () => {
    const file = join(temporaryFolder(), 'out');
    await run(
      machine(
        sh('sleep 0.1; echo first $FROM_MACHINE $OWN >> $OUT', { environment: { OWN: 'own', OUT: file } }),
        sh('echo second >> $OUT', { environment: { OUT: file } }),
      ),
    );
    expect(readFileSync(file, 'utf8')).toBe('first machine own\nsecond\n');
  });

  it('fails at the first command that does, with its code and what it printed, and runs none after it', async () => {
    const file = join(temporaryFolder(), 'out');
    const failing = run(machine(sh('echo no such device >&2; exit 7'), sh(`touch ${file}`)));
    await expect(failing).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringMatching(
        /before_start sh -c .*: exited with code 7 before it was ready; it printed: no such device$/,
      ),
    });
    expect(existsSync(file)).toBe(false);
  });

  it('names a program that does not exist', async () => {
    await expect(run(machine(sh('', { run: ['/nowhere/hardware-daemon'] })))).rejects.toMatchObject({
      code: 'start_failed',
      message: expect.stringContaining('/nowhere/hardware-daemon'),
    });
  });

  it.each([
    ['tcp', (port: number) => ({ kind: 'tcp', host: '127.0.0.1', port }) as const],
    ['http', (port: number) => ({ kind: 'http', url: `http://127.0.0.1:${port}/health` }) as const],
  ])('waits until a kept daemon is ready by %s and stops it with us', async (_, ready) => {
    const port = await unusedPort();
    const folder = temporaryFolder();
    const daemon = sh(`echo $$ > ${folder}/pid; exec ${process.execPath} ${ENGINE} ${port}`, {
      keep: true,
      ready: ready(port),
    });
    const { running } = await run(machine(daemon));
    const reply = await fetch(`http://127.0.0.1:${port}/health`);
    expect(reply.status).toBe(200);
    await running.stop();
    expect(processRuns(pidIn(`${folder}/pid`))).toBe(false);
  });

  it('waits for a file', async () => {
    const file = join(temporaryFolder(), 'device');
    await run(
      machine(sh(`sleep 0.15; touch ${file}; exec sleep 600`, { keep: true, ready: { kind: 'file', path: file } })),
    );
    expect(existsSync(file)).toBe(true);
  });

  it('does not run a command whose daemon is there already, and does not stop it either', async () => {
    const port = await listeningPort();
    const ready = { kind: 'tcp', host: '127.0.0.1', port } as const;
    const { running, log } = await run(machine(sh('exit 1', { keep: true, ready, skipWhenReady: true })));
    await running.stop();
    expect(log.events).toEqual([
      expect.objectContaining({ message: expect.stringContaining('already there, not run') }),
    ]);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  });

  it('gives up after the time allowed, says what was missing, and leaves no process', async () => {
    const folder = temporaryFolder();
    const never = sh(`echo $$ > ${folder}/pid; echo waiting for firmware; exec sleep 600`, {
      keep: true,
      timeoutMs: 20_000,
      ready: { kind: 'file', path: join(folder, 'never') },
    });
    await expect(run(machine(never), hurriedClock(40))).rejects.toMatchObject({
      message: expect.stringContaining(
        `not ready after 20 s: ${folder}/never must exist; it printed: waiting for firmware`,
      ),
    });
    expect(processRuns(pidIn(`${folder}/pid`))).toBe(false);
  });

  it('stops the daemons that ran when a later command fails', async () => {
    const folder = temporaryFolder();
    const daemon = sh(`echo $$ > ${folder}/pid; exec sleep 600`, {
      keep: true,
      ready: { kind: 'file', path: `${folder}/pid` },
    });
    await expect(run(machine(daemon, sh('exit 1')))).rejects.toMatchObject({ code: 'start_failed' });
    expect(processRuns(pidIn(`${folder}/pid`))).toBe(false);
  });

  it('tells when a daemon that should stay ends', async () => {
    const folder = temporaryFolder();
    const brief = sh(`echo $$ > ${folder}/pid; exec sleep 600`, {
      keep: true,
      ready: { kind: 'file', path: `${folder}/pid` },
    });
    const { log } = await run(machine(brief));
    process.kill(pidIn(`${folder}/pid`), 'SIGKILL');
    await log.until(() => log.events.length > 0);
    expect(log.events).toEqual([
      expect.objectContaining({
        level: 'error',
        message: expect.stringContaining('ended by SIGKILL although it should stay'),
      }),
    ]);
  });
});
