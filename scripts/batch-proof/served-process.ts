import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/package-root.ts';

/** `sluice serve` as a process of its own, started from the sources. */
export type ServedProcess = {
  readonly url: string;
  readonly pid: number;
  /** The end of what it has written so far. */
  readonly said: () => string;
  /** Ends it at once, as a power cut would, and waits until it is gone. */
  readonly kill: () => Promise<void>;
  /** Asks it to end and waits. */
  readonly stop: () => Promise<void>;
};

const SAID_MAX = 20_000;

const FROM_SOURCE = ['--import', 'tsx', join(packageRoot(), 'src', 'cli.ts')];

/**
 * Starts it with `args` behind `serve` and resolves once it listens. Rejects with what it said where it does not. `program`
 * is what Node is given before them: the sources, where nothing else is said.
 */
export async function startServing(
  args: readonly string[],
  program: readonly string[] = FROM_SOURCE,
): Promise<ServedProcess> {
  const child = spawn(process.execPath, [...program, 'serve', '--port', '0', '--log-format', 'json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: packageRoot(),
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      said = (said + text).slice(-SAID_MAX);
    });
  }
  const exited = once(child, 'exit');
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  const url = await waitFor('the gateway listens', () => {
    if (hasEnded(child)) throw new Error(`the gateway has ended; it said:\n${said}`);
    return /listening on (http:\/\/[\d.:]+)/.exec(said)?.[1];
  });
  return {
    url,
    pid: child.pid ?? 0,
    said: () => said,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/**
 * Compiles the sources as they are and returns the program of it. Node reads it in a fraction of the time it needs for the
 * sources, which counts where a clock runs a hundred times as fast as the machine.
 */
export function buildProgram(): readonly string[] {
  const folder = join(packageRoot(), 'node_modules', '.cache', 'sluice-built');
  const compiler = join(packageRoot(), 'node_modules', 'typescript', 'bin', 'tsc');
  const built = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.json', '--outDir', folder], {
    cwd: packageRoot(),
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`the sources cannot be compiled:\n${built.stdout}${built.stderr}`);
  return [join(folder, 'src', 'cli.js')];
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const POLL_MS = 10;

/** Asks until there is an answer; rejects after `limitMs`. */
export async function waitFor<Value>(
  what: string,
  ask: () => Promise<Value | undefined> | Value | undefined,
  limitMs = 120_000,
): Promise<Value> {
  const endMs = systemClock.monotonicMs() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.monotonicMs() > endMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await systemClock.sleep(POLL_MS);
  }
}

/** Pids of processes other than `except`, zombies left out, whose command line holds `text`. */
export function processesWith(text: string, except: readonly number[] = []): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || except.includes(pid)) return [];
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return [];
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) ? [pid] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
