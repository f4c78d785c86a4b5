import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import type { Clock } from '../core/clock.ts';
import type { ChildChannel } from '../core/runtime.ts';

/** What to run. */
export type SpawnRequest = {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment; nothing is inherited beside it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called for every line of stdout and stderr, without the line end. */
  readonly onLine: (line: string) => void;
  /** What becomes of the rest of its group when the program has ended; killed where not said otherwise. */
  readonly strays?: 'kill' | 'leave';
  /** Gives the program Node's IPC channel. */
  readonly ipc?: boolean;
  /** Beside `ipc`: a socket as file descriptor 4 of the program. */
  readonly byteStream?: boolean;
};

/** A process in a process group of its own. */
export type SpawnedChild = {
  readonly pid: number;
  /** Resolves when the process is gone and its output has been read; never rejects. */
  readonly ended: Promise<ExitStatus>;
  /** Signals the whole group; silent when it is gone. */
  signal(name: GroupSignal): void;
  /** Where it was asked for. */
  readonly channel: ChildChannel | undefined;
};

/** What a group is told: to end, or to stand still and to go on. */
export type GroupSignal = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';

/** How a process ended: exactly one is set. */
export type ExitStatus = { readonly code: number | undefined; readonly signal: string | undefined };

/** A line longer than this is cut: a program that prints without line ends must not fill our memory. */
const LINE_CHARS_MAX = 8192;
/** After the leader's end a stray grandchild may hold the pipes open; its words are not waited for longer than this. */
const OUTPUT_GRACE_MS = 300;

/**
 * Starts a program in its own process group, so that one signal reaches whatever it starts in turn, and, where
 * `setpriv` exists, with a parent-death signal, so that the kernel kills it when we die by SIGKILL.
 * Rejects with the system's error when the program cannot be started.
 *
 * Node's own `spawn` and not execa: the end of a child must be known at its `exit` event and not at the end of its
 * pipes, which a grandchild may hold; the group is signalled by us; and nothing of the output is to be buffered.
 */
export async function spawnChild(request: SpawnRequest, clock: Clock): Promise<SpawnedChild> {
  const prefix = await deathSignalPrefix();
  const [command = request.command, ...args] = [...prefix, request.command, ...request.args];
  const child = spawn(command, args, {
    detached: true,
    stdio: [
      'ignore',
      'pipe',
      'pipe',
      ...(request.ipc ? (['ipc'] as const) : []),
      ...(request.ipc && request.byteStream ? (['pipe'] as const) : []),
    ],
    env: request.environment,
  });
  // Set up before the first await: a program that does not exist ends at once.
  const ended = endOf(child, clock, request.strays ?? 'kill');
  const listeners = new Set([request.onLine]);
  readLines(child, (line) => {
    for (const listener of listeners) listener(line);
  });
  const channel = request.ipc ? channelOf(child, listeners) : undefined;
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid as number;
  return { pid, ended, signal: (name) => signalGroup(pid, name), channel };
}

/** Signals a process group; silent when no such group is left. */
export function signalGroup(leaderPid: number, name: GroupSignal): void {
  // kill(-1) would reach every process of the user.
  if (leaderPid <= 1) return;
  try {
    process.kill(-leaderPid, name);
  } catch {
    // ESRCH: it is gone, which is what the signal was for.
  }
}

type LineListener = (line: string) => void;

function channelOf(child: ChildProcess, lineListeners: Set<LineListener>): ChildChannel {
  const bytes = child.stdio[4] as Readable | undefined;
  // A broken pipe is the end of the child, which `exit` tells.
  bytes?.on('error', () => undefined);
  const onClose = closingOf(child, bytes);
  return {
    send: (message) => {
      // The callback takes the error of a channel that broke while the message was on its way.
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (listener) => {
      child.on('message', listener);
      return () => child.off('message', listener);
    },
    onLine: (listener) => {
      lineListeners.add(listener);
      return () => lineListeners.delete(listener);
    },
    onBytes: (listener) => {
      bytes?.on('data', listener);
      return () => bytes?.off('data', listener);
    },
    onClose,
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
}

/** Both ways end with the process, in any order; what was written before must be read before the end is told. */
function closingOf(child: ChildProcess, bytes: Readable | undefined): ChildChannel['onClose'] {
  const listeners = new Set<() => void>();
  const isClosed = () => !child.connected && (bytes === undefined || bytes.closed);
  const tell = () => {
    if (!isClosed()) return;
    for (const listener of listeners) listener();
    listeners.clear();
  };
  child.once('disconnect', tell);
  bytes?.once('close', tell);
  return (listener) => {
    if (isClosed()) listener();
    else listeners.add(listener);
    return () => listeners.delete(listener);
  };
}

let probedPrefix: Promise<readonly string[]> | undefined;

/** `setpriv --pdeathsig KILL --` where that works (util-linux; not BusyBox), else nothing. Probed once. */
function deathSignalPrefix(): Promise<readonly string[]> {
  const prefix = ['setpriv', '--pdeathsig', 'KILL', '--'];
  probedPrefix ??= promisify(execFile)('setpriv', ['--pdeathsig', 'KILL', '--', 'true'], { timeout: 5000 }).then(
    () => prefix,
    // Without it a kill -9 of the gateway leaves children behind until the next start reaps them.
    () => [],
  );
  return probedPrefix;
}

function endOf(child: ChildProcess, clock: Clock, strays: 'kill' | 'leave'): Promise<ExitStatus> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: undefined, signal: undefined }));
    child.once('exit', (code, signal) => {
      const status = { code: code ?? undefined, signal: signal ?? undefined };
      if (child.pid !== undefined && strays === 'kill') signalGroup(child.pid, 'SIGKILL');
      // The last words of a child are why one looks into its log, and they may still be in the pipe.
      const finish = () => {
        cancelGrace();
        for (const stream of child.stdio) stream?.destroy();
        resolve(status);
      };
      const cancelGrace = clock.after(OUTPUT_GRACE_MS, finish);
      child.once('close', finish);
    });
  });
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    stream.setEncoding('utf8');
    let rest = '';
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = (lines.pop() ?? '').slice(-LINE_CHARS_MAX);
      for (const line of lines) onLine(line.slice(0, LINE_CHARS_MAX).trimEnd());
    });
    stream.on('close', () => {
      if (rest !== '') onLine(rest.trimEnd());
      rest = '';
    });
    // A broken pipe is the end of the child, which `exit` tells.
    stream.on('error', () => undefined);
  }
}
