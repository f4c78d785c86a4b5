import type { Clock } from '../../core/clock.ts';
import { GatewayError, messageOf } from '../../core/errors.ts';
import { formatBytes, formatDurationMs } from '../../core/format.ts';
import type { ModelId } from '../../core/ids.ts';
import type { ModelPolicy, Policy } from '../../core/policy.ts';
import type { BenchLease, BenchTarget } from '../bench-target.ts';
import { watched } from '../disturbance.ts';
import { readPeakMemory, readProportionalMemory } from '../fingerprint.ts';
import type { TextLine } from '../metrics/text-line.ts';
import { ask, readAnswer } from '../served-ask.ts';
import { type Objective, timesOf } from './objective.ts';
import type { TuneSettings } from './settings.ts';
import type { TrialRecord } from './steps.ts';

/** What tuning asks of the supervisor: beside what a benchmark does, the model under other settings. */
export interface TuneTarget extends BenchTarget {
  applyPolicy(policy: Policy): Promise<void>;
}

/** How to measure one model under several settings. */
export type TrialRun = {
  readonly policy: Policy;
  readonly model: ModelPolicy;
  readonly usesNpu: boolean;
  readonly contextTokens: number;
  readonly target: TuneTarget;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly objective: Objective;
  readonly settleMs: number;
  readonly memoryBytesMax: number | undefined;
  readonly sysroot?: string | undefined;
  /** Characters per token, once known; `learn` is told when it has been found out. */
  readonly text: () => TextLine | undefined;
  readonly learn: (text: TextLine) => void;
};

/** What one look at an arm gave, but for what the search knows itself. */
export type TrialOutcome = Omit<TrialRecord, 'kind' | 'arm' | 'phase' | 'at'>;

/** Room for the seed in front of a prompt, which keeps it unique. */
const CHARS_MIN = 24;

/**
 * Starts the model with these settings laid over its own, waits for it to settle, warms it up with a short request, times
 * one request of the objective, reads its memory and stops it. A child that does not start, ends, refuses the request or
 * takes more memory than allowed is an outcome with the reason, and so is an answer that takes longer than `patienceMs`
 * (default: by the work asked for). Rejects on abort only.
 */
export async function measureTrial(
  run: TrialRun,
  settings: TuneSettings,
  patienceMs?: number | undefined,
): Promise<TrialOutcome> {
  const { clock, target, model } = run;
  const startedMs = clock.monotonicMs();
  let outcome: Omit<TrialOutcome, 'tookMs'>;
  try {
    outcome = await look(run, { settings, patienceMs });
  } catch (error) {
    if (run.signal.aborted) throw run.signal.reason;
    outcome = { flags: [], ...failureOf(error, patienceMs) };
  } finally {
    await target.unload(model.id);
  }
  return { ...withinMemory(outcome, run.memoryBytesMax), tookMs: clock.monotonicMs() - startedMs };
}

/** A combination of settings, and how long to wait for its answer. */
type Look = { readonly settings: TuneSettings; readonly patienceMs: number | undefined };

function failureOf(error: unknown, patienceMs: number | undefined): Pick<TrialOutcome, 'failure' | 'gaveUp'> {
  const isLate = patienceMs !== undefined && error instanceof GatewayError && error.code === 'timeout';
  if (!isLate) return { failure: messageOf(error) };
  return {
    failure: `given up after ${formatDurationMs(patienceMs)}, more than five times what others take`,
    gaveUp: true,
  };
}

async function look(run: TrialRun, { settings, patienceMs }: Look): Promise<Omit<TrialOutcome, 'tookMs'>> {
  const { clock, target, model, signal } = run;
  await target.applyPolicy(policyWith(run.policy, model, settings));
  const loadStartedMs = clock.monotonicMs();
  await target.load(model.id, signal);
  const loadMs = clock.monotonicMs() - loadStartedMs;
  await clock.sleep(run.settleMs, signal);
  const lease = await target.acquire(model.id, signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    const result = await timedRequest(run, lease, patienceMs);
    how = 'ok';
    return { loadMs, ...result, ...memoryOf(run, model.id) };
  } catch (error) {
    if (signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
  }
}

/**
 * The policy with this model alone, under these settings. The others must not be looked at, started or kept: they would
 * be measured, too.
 */
export function policyWith(policy: Policy, model: ModelPolicy, settings: TuneSettings): Policy {
  const keep = { kind: 'idle', idleMs: 24 * 3_600_000 } as const;
  const changed: ModelPolicy = { ...model, keep, settings: { ...model.settings, ...settings } };
  return { ...policy, models: new Map([[model.id, changed]]) };
}

async function timedRequest(run: TrialRun, lease: BenchLease, timeoutMs: number | undefined) {
  const { objective, model, clock, signal } = run;
  const asking = { model: model.id, clock, signal };
  const text = await warmUp(run, lease);
  const chars = Math.round(Math.max(1, objective.promptTokens - text.templateTokens) * text.charsPerToken);
  const { value: answer, flags } = await watched(workOf(run), () =>
    readAnswer(asking, lease, { chars: Math.max(CHARS_MIN, chars), outputTokens: objective.outputTokens, timeoutMs }),
  );
  const times = timesOf(objective, answer.timed);
  if (times === undefined) {
    throw new GatewayError('runtime_failed', `${model.id} answered with too few tokens to tell its speed`);
  }
  return { flags: [...flags], ...times };
}

/** A new child's first request pays for pages and threads that are not there yet; the very first ones also count characters. */
async function warmUp(run: TrialRun, lease: BenchLease): Promise<TextLine> {
  const asking = { model: run.model.id, clock: run.clock, signal: run.signal };
  const known = run.text();
  if (known !== undefined) {
    await ask(asking, lease, [CHARS_MIN]);
    return known;
  }
  // A token is at least one character, so a quarter of the context in characters always fits.
  const longest = Math.max(2 * CHARS_MIN, Math.min(800, Math.floor(run.contextTokens / 4)));
  const text = await ask(asking, lease, [Math.max(CHARS_MIN, Math.floor(longest / 4)), longest]);
  run.learn(text);
  return text;
}

function workOf({ clock, usesNpu, target, model, sysroot }: TrialRun) {
  const pids = () => [target.views().get(model.id)?.pid ?? []].flat();
  return { clock, usesNpu, pids, ...(sysroot === undefined ? {} : { sysroot }) };
}

function memoryOf({ target, sysroot }: TrialRun, model: ModelId): Pick<TrialOutcome, 'peakBytes' | 'pssBytes'> {
  const pid = target.views().get(model)?.pid;
  if (pid === undefined) throw new GatewayError('runtime_failed', `${model} has ended while it was measured`);
  return { peakBytes: readPeakMemory(pid, sysroot), pssBytes: readProportionalMemory(pid, sysroot) };
}

function withinMemory<Outcome extends Omit<TrialOutcome, 'tookMs'>>(
  outcome: Outcome,
  bytesMax: number | undefined,
): Outcome {
  const { peakBytes, failure } = outcome;
  if (bytesMax === undefined || peakBytes === undefined || peakBytes <= bytesMax || failure !== undefined)
    return outcome;
  return {
    ...outcome,
    failure: `took ${formatBytes(peakBytes)} of memory, more than the ${formatBytes(bytesMax)} allowed`,
  };
}
