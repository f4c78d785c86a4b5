import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { execa } from 'execa';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelPolicy, RuntimePolicy } from '../core/policy.ts';
import { findProgram } from '../transport/find-program.ts';
import { llamaBenchCommand, parseLlamaBench, RAW_OUTPUT_TOKENS, RAW_PROMPT_TOKENS } from './llama-bench.ts';
import type { RawSamples } from './metrics/metric.ts';

/** How to measure one model with llama-bench. */
export type RawRun = {
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy;
  /** Added to the child's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly repetitions: number;
  /** Tokens in the context when each test begins. */
  readonly depths: readonly number[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** What was measured, with the command that gave it. */
export type RawResult = {
  readonly samples: readonly RawSamples[];
  readonly build: string | undefined;
  readonly command: string;
};

/** Name of the raw benchmark program of a runtime; undefined for kinds that have none. */
export function benchProgram(runtime: RuntimePolicy): string | undefined {
  return runtime.benchBinary ?? (runtime.kind === 'llama-server' ? 'llama-bench' : undefined);
}

/**
 * Runs llama-bench on a model's file; nothing else should run on the device.
 * Rejects with the signal's reason on abort (the program is ended), `runtime_missing` where there is no program,
 * `runtime_failed` with its last words where it fails, `timeout` where it takes far longer than the slowest known model.
 */
export async function measureRaw(run: RawRun): Promise<RawResult> {
  const { model, signal } = run;
  const name = benchProgram(run.runtime) ?? '';
  const program = findProgram(name);
  if (program === undefined) {
    throw new GatewayError(
      'runtime_missing',
      `${name} was not found: run scripts/install-llama-cpp, or name it as bench_binary`,
    );
  }
  const environment = { ...run.environment, ...model.settings.environment };
  const help = await execa(program, ['--help'], { reject: false, stdin: 'ignore', all: true, timeout: 20_000 });
  const [command, ...args] = llamaBenchCommand({
    program,
    taskset: findProgram('taskset'),
    help: help.all,
    file: model.file,
    settings: model.settings,
    repetitions: run.repetitions,
    depths: run.depths,
  });
  const timeoutMs = rawTimeoutMs(run.repetitions, statSync(model.file).size, run.depths);
  const child = await execa(command, args, {
    env: environment,
    stdin: 'ignore',
    reject: false,
    cancelSignal: signal,
    forceKillAfterDelay: 2_000,
    timeout: timeoutMs,
  });
  signal.throwIfAborted();
  if (child.timedOut) throw new GatewayError('timeout', `${name} on ${model.id} took longer than ${timeoutMs} ms`);
  if (child.failed) {
    const lastWords = child.stderr.trim().split('\n').slice(-3).join(' | ');
    throw new GatewayError(
      'runtime_failed',
      `${name} on ${model.id} ended with ${child.exitCode ?? child.signal}: ${lastWords}`,
    );
  }
  // Base names: a result file is shared, and where somebody keeps their models is nobody's business.
  return { ...parseLlamaBench(child.stdout), command: [command, ...args].map((word) => basename(word)).join(' ') };
}

/**
 * Longest a raw run may take, ms: reading the file at 20 MB/s (an SD card, board facts, section 4), and per repetition
 * and depth 2 s per prompt token, those of the depth included, which both tests read, and 10 s per generated one:
 * several times what the 27B needs on the board.
 */
export const rawTimeoutMs = (repetitions: number, fileBytes: number, depths: readonly number[] = [0]): number =>
  60_000 +
  fileBytes / 20_000 +
  depths.reduce(
    (sum, depth) => sum + repetitions * ((RAW_PROMPT_TOKENS + 2 * depth) * 2_000 + RAW_OUTPUT_TOKENS * 10_000),
    0,
  );
