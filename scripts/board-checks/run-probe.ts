import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock as clock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import type { FromProbe, ProbeOutcome, ProbeSetup } from './probe-types.ts';
import type { ProbeName } from './probes.ts';

/** Runs a probe in a process of its own and waits for its answer, its death or the time limit. Never rejects. */
export async function runProbe(name: ProbeName, setup: ProbeSetup, limitMs: number): Promise<ProbeOutcome> {
  const child = start(name, setup);
  const outcome = await within(limitMs, answerOf(child.process));
  await child.kill();
  return { ...outcome, log: child.log };
}

/** A process that has the model loaded and keeps it. */
export type Holder = {
  /** Undefined once it holds the model; else how loading ended. */
  readonly failed: ProbeOutcome | undefined;
  /** Kills it and waits until it is gone. */
  readonly kill: () => Promise<void>;
};

/** Loads the model in a process that keeps it, to see what a second one then gets. */
export async function holdModel(setup: ProbeSetup, limitMs: number): Promise<Holder> {
  const child = start('hold', setup);
  const held = new Promise<'held'>((resolve) => {
    child.process.on('message', (message: FromProbe) => {
      if (message.kind === 'held') resolve('held');
    });
  });
  const first = await within(limitMs, Promise.race([held, answerOf(child.process)]));
  return { failed: first === 'held' ? undefined : { ...first, log: child.log }, kill: child.kill };
}

type Running = { readonly process: ChildProcess; readonly log: readonly string[]; readonly kill: () => Promise<void> };
// A union keeps its cases when a part is left out only where that is done case by case.
type WithoutLog<Outcome> = Outcome extends ProbeOutcome ? Omit<Outcome, 'log'> : never;
type Answer = WithoutLog<ProbeOutcome>;

function start(name: string, setup: ProbeSetup): Running {
  const program = join(packageRoot(), 'scripts', 'board-probe.ts');
  const loader = `file://${join(packageRoot(), 'node_modules/tsx/dist/loader.mjs')}`;
  const process = fork(program, [name, JSON.stringify(setup)], {
    execArgv: ['--import', loader],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() !== '') log.push(line.trim());
    });
  }
  const closed = new Promise<void>((resolve) => process.once('close', () => resolve()));
  const kill = async (): Promise<void> => {
    process.kill('SIGKILL');
    await closed;
  };
  return { process, log, kill };
}

/** The probe's answer, or how its process ended without one. */
function answerOf(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve) => {
    child.on('message', (message: FromProbe) => {
      if (message.kind === 'done') resolve({ kind: 'done', finding: message.finding });
      if (message.kind === 'failed') resolve({ kind: 'failed', message: message.message });
    });
    child.once('exit', (code, signal) => resolve({ kind: 'crashed', how: signal ?? `exit code ${code}` }));
  });
}

async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value | Answer> {
  const timer = new AbortController();
  const tooLate = clock.sleep(limitMs, timer.signal).then((): Answer => ({ kind: 'hung', afterMs: limitMs }));
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    // The timer would keep the process alive; its rejection is of no interest any more.
    tooLate.catch(() => undefined);
    timer.abort();
  }
}
