import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';

/** A process this run has started. */
export type Child = {
  readonly name: string;
  readonly pid: number;
  /** What it printed, both streams. */
  readonly logFile: string;
  readonly running: ChildProcess;
};

/** How to start one. */
export type ChildCommand = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
};

/** Keeps what was started and stops it by pid, whatever way the run ends. */
export interface Children {
  start(command: ChildCommand): Child;
  /** SIGTERM, then SIGKILL after 10 s; resolves when it has ended. */
  stop(child: Child): Promise<void>;
  stopAll(): Promise<void>;
}

const KILL_AFTER_MS = 10_000;
const POLL_MS = 2;

/** Starts children whose output goes to files in `folder`. */
export function createChildren(folder: string, clock: Clock): Children {
  const started = new Set<Child>();
  let count = 0;
  const stop = async (child: Child) => {
    started.delete(child);
    if (hasEnded(child)) return;
    const ended = once(child.running, 'exit');
    child.running.kill('SIGTERM');
    const cancel = clock.after(KILL_AFTER_MS, () => child.running.kill('SIGKILL'));
    await ended;
    cancel();
  };
  return {
    start(command) {
      const child = spawnChild(command, join(folder, `${count}-${command.name}.log`));
      count += 1;
      started.add(child);
      return child;
    },
    stop,
    stopAll: async () => {
      await Promise.all([...started].map(stop));
    },
  };
}

// The files are the children's own descriptors: a pipe would make this process copy every line of a busy log.
function spawnChild({ name, command, args, environment }: ChildCommand, logFile: string): Child {
  const log = openSync(logFile, 'a');
  const running = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', log, log] });
  closeSync(log);
  running.once('error', () => {}); // a program that cannot be started has no pid, which is reported below
  if (running.pid === undefined) throw new GatewayError('start_failed', `cannot start ${command}: is it installed?`);
  return { name, pid: running.pid, logFile, running };
}

const hasEnded = ({ running }: Child): boolean => running.exitCode !== null || running.signalCode !== null;

/**
 * Resolves once `GET url` answers 200, asked every 2 ms; how long that took since the call, ms.
 * Throws `start_failed` with the end of the child's log when it ends or `timeoutMs` pass first.
 */
export async function untilAnswering(child: Child, url: string, clock: Clock, timeoutMs = 30_000): Promise<number> {
  const startMs = clock.monotonicMs();
  for (;;) {
    const elapsedMs = clock.monotonicMs() - startMs;
    if (await answers(url)) return elapsedMs;
    if (hasEnded(child) || elapsedMs > timeoutMs) {
      const tail = readFileSync(child.logFile, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
      const what = hasEnded(child) ? 'ended' : `did not answer ${url} within ${timeoutMs} ms`;
      throw new GatewayError('start_failed', `${child.name} ${what}; its last words:\n${tail}`);
    }
    await clock.sleep(POLL_MS);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const reply = await request(url);
    await reply.body.dump();
    return reply.statusCode === 200;
  } catch {
    return false; // not listening yet, which is what we wait for
  }
}
