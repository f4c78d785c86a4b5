import { access } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';
import type { BeforeStart, MachinePolicy } from '../core/policy.ts';
import { createReaper, type Reaper } from './reaper.ts';
import { type ExitStatus, type SpawnedChild, spawnChild } from './spawn-child.ts';

/** The programs `machine.before_start` keeps running. */
export type BeforeStartRun = { readonly stop: () => Promise<void> };

/** What running the commands needs of the world. */
export type BeforeStartDeps = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** Where the pids of kept programs are written down, so that the next start finds them after a kill -9. */
  readonly dataDir?: string;
};

const POLL_MS = 100;
const PROBE_LIMIT_MS = 1_000;
const STOP_GRACE_MS = 5_000;
const LAST_LINES = 5;

/**
 * Runs the machine's `before_start` commands one after another, each until it is ready, and returns those that stay.
 * Rejects with `start_failed` at the first that fails or is not ready in time; what ran by then is stopped.
 */
export async function runBeforeStart(machine: MachinePolicy, deps: BeforeStartDeps): Promise<BeforeStartRun> {
  const reaper = deps.dataDir === undefined ? undefined : createReaper(deps.dataDir, deps.emit, 'companions.json');
  reaper?.reapLeftovers();
  const kept: SpawnedChild[] = [];
  let stopping = false;
  const stop = async () => {
    stopping = true;
    for (const child of kept.reverse()) await stopChild(child, deps.clock);
  };
  try {
    for (const command of machine.beforeStart) {
      const child = await runCommand(command, machine, { ...deps, reaper });
      if (child === undefined) continue;
      kept.push(child);
      watch(child, command, deps.emit, () => stopping);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** Runs one command until it is ready; returns its process where it stays. */
async function runCommand(
  command: BeforeStart,
  machine: MachinePolicy,
  deps: BeforeStartDeps & { readonly reaper: Reaper | undefined },
): Promise<SpawnedChild | undefined> {
  const { clock, emit, reaper } = deps;
  const name = command.run.join(' ');
  if (command.skipWhenReady && (await holds(command.ready, clock))) {
    emit({ kind: 'gateway.notice', level: 'info', message: `before_start ${name}: already there, not run` });
    return undefined;
  }
  const lines: string[] = [];
  const child = await spawnCommand(command, machine, deps, lines);
  reaper?.record(child.pid);
  let ended: ExitStatus | undefined;
  const noteEnd = child.ended.then((status) => {
    ended = status;
    reaper?.forget(child.pid);
  });
  const deadlineMs = clock.monotonicMs() + command.timeoutMs;
  for (;;) {
    const failure = command.keep && command.ready.kind !== 'exit' ? ended !== undefined : (ended?.code ?? 0) !== 0;
    if (failure || ended?.signal !== undefined) {
      throw failed(name, `${describe(ended)} before it was ready`, lines);
    }
    if (await isDone(command, ended, clock)) return command.keep && ended === undefined ? child : undefined;
    if (clock.monotonicMs() >= deadlineMs) {
      await stopChild(child, clock);
      throw failed(name, `not ready after ${formatDurationMs(command.timeoutMs)}: ${expectation(command)}`, lines);
    }
    await Promise.race([clock.sleep(POLL_MS), ...(ended === undefined ? [noteEnd] : [])]);
  }
}

async function spawnCommand(
  command: BeforeStart,
  machine: MachinePolicy,
  deps: BeforeStartDeps,
  lines: string[],
): Promise<SpawnedChild> {
  const [program = '', ...args] = command.run;
  const inherited = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  try {
    return await spawnChild(
      {
        command: program,
        args,
        environment: { ...Object.fromEntries(inherited), ...machine.environment, ...command.environment },
        // A command that ends may leave a daemon behind on purpose.
        strays: command.keep ? 'kill' : 'leave',
        onLine: (line) => {
          lines.push(line);
          if (lines.length > LAST_LINES) lines.shift();
        },
      },
      deps.clock,
    );
  } catch (cause) {
    throw failed(command.run.join(' '), messageOf(cause), lines, cause);
  }
}

/** A kept command is done when it is ready, any other when it is ready and has ended. */
async function isDone(command: BeforeStart, ended: ExitStatus | undefined, clock: Clock): Promise<boolean> {
  // `exit` and `keep` together: there is nothing to wait for but the start itself.
  if (command.ready.kind === 'exit') return command.keep || ended?.code === 0;
  if (!command.keep && ended === undefined) return false;
  return holds(command.ready, clock);
}

async function holds(ready: BeforeStart['ready'], clock: Clock): Promise<boolean> {
  switch (ready.kind) {
    case 'exit':
      return false;
    case 'file':
      return access(ready.path).then(
        () => true,
        () => false,
      );
    case 'tcp':
      return accepts(ready.host, ready.port, clock);
    case 'http':
      return answers(ready.url, clock);
  }
}

function accepts(host: string, port: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (accepted: boolean) => {
      cancel();
      socket.destroy();
      resolve(accepted);
    };
    const cancel = clock.after(PROBE_LIMIT_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

async function answers(url: string, clock: Clock): Promise<boolean> {
  const abort = new AbortController();
  const cancel = clock.after(PROBE_LIMIT_MS, () => abort.abort());
  try {
    const reply = await fetch(url, { signal: abort.signal });
    await reply.body?.cancel();
    return reply.ok;
  } catch {
    // Refused or silent: not ready yet.
    return false;
  } finally {
    cancel();
  }
}

async function stopChild(child: SpawnedChild, clock: Clock): Promise<void> {
  child.signal('SIGTERM');
  const cancel = clock.after(STOP_GRACE_MS, () => child.signal('SIGKILL'));
  await child.ended;
  cancel();
}

function watch(child: SpawnedChild, command: BeforeStart, emit: EmitEvent, isStopping: () => boolean): void {
  child.ended
    .then((status) => {
      if (isStopping()) return;
      const message = `before_start ${command.run.join(' ')}: ${describe(status)} although it should stay; restart the gateway to run it again`;
      emit({ kind: 'gateway.notice', level: 'error', message });
    })
    .catch(() => undefined);
}

function describe(status: ExitStatus | undefined): string {
  if (status?.signal !== undefined) return `ended by ${status.signal}`;
  return `exited with code ${status?.code ?? 'unknown'}`;
}

function expectation(command: BeforeStart): string {
  const { ready } = command;
  const wants = command.keep ? '' : 'it must end by itself (keep: false) and ';
  switch (ready.kind) {
    case 'exit':
      return 'it must exit with code 0';
    case 'tcp':
      return `${wants}${ready.host}:${ready.port} must accept connections`;
    case 'http':
      return `${wants}${ready.url} must answer 2xx`;
    case 'file':
      return `${wants}${ready.path} must exist`;
  }
}

function failed(name: string, why: string, lines: readonly string[], cause?: unknown): GatewayError {
  const printed = lines.length === 0 ? 'it printed nothing' : `it printed: ${lines.join(' | ')}`;
  return new GatewayError('start_failed', `machine.before_start ${name}: ${why}; ${printed}`, { cause });
}
