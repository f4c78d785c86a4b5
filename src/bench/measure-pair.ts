import { GatewayError, messageOf } from '../core/errors.ts';
import type { Run } from './bench-options.ts';
import type { BenchLease } from './bench-target.ts';
import { series } from './metrics/metric.ts';
import type { ProgressMeter } from './progress.ts';
import { promptText } from './prompt-text.ts';
import type { BenchPair } from './result.ts';
import type { BenchSample, TimedRequest } from './samples.ts';
import { readAnswer } from './served-ask.ts';
import { planOf, requestTimeoutMs } from './served-plan.ts';
import { streamRequest } from './stream-request.ts';
import type { Subject } from './subject.ts';

/** Two models that may run at the same time. */
export type Pair = { readonly model: Subject; readonly beside: Subject };

/** Steps {@link measurePair} reports. */
export const PAIR_STEPS = 2;

/**
 * Every two of these models that the gateway may run at once: on different devices, or on one device with several lanes.
 * Two children of one model share everything and are no pair.
 */
export function pairsOf(run: Pick<Run, 'policy'>, subjects: readonly Subject[]): readonly Pair[] {
  return subjects.flatMap((model, index) =>
    subjects.slice(index + 1).flatMap((beside) => (mayRunTogether(run, model, beside) ? { model, beside } : [])),
  );
}

function mayRunTogether({ policy }: Pick<Run, 'policy'>, a: Subject, b: Subject): boolean {
  return a.runtime.device !== b.runtime.device || (policy.devices.get(a.runtime.device)?.lanes ?? 1) >= 2;
}

/**
 * Loads both and measures each while the other generates, in turns with alone: the factors are taken within one round, so
 * that a machine that grows warmer is in both halves of them. What cannot be measured together is said and costs nothing.
 */
export async function measurePair(run: Run, { model, beside }: Pair, meter: ProgressMeter): Promise<void> {
  const reason = reasonAgainst(run, model, beside);
  if (reason !== undefined) {
    for (const one of [model, beside]) one.warnings.add(reason);
    return;
  }
  try {
    for (const [one, other] of [
      [model, beside],
      [beside, model],
    ] as const) {
      meter.step(`${one.model.id} beside ${other.model.id}`);
      for (let round = 0; round < run.repetitions; round += 1) await measureBeside(run, { one, other, round });
    }
  } catch (error) {
    if (!run.signal.aborted) {
      model.warnings.add(
        `${model.model.id} and ${beside.model.id} could not be measured together: ${messageOf(error)}`,
      );
    }
  } finally {
    await run.target.unload(model.model.id);
    await run.target.unload(beside.model.id);
  }
}

function reasonAgainst(run: Run, a: Subject, b: Subject): string | undefined {
  const views = run.target.views();
  const bytes = [a, b].reduce((sum, { model }) => sum + (views.get(model.id)?.memoryBytes ?? 0), 0);
  const { budgetBytes } = run.target.memory();
  const names = `${a.model.id} and ${b.model.id}`;
  if ([a, b].some(({ failures }) => failures.size > 0))
    return `${names} were not measured together: one of them failed`;
  if (bytes <= budgetBytes) return undefined;
  return `${names} need ${bytes} bytes together, more than the ${budgetBytes} there are, and never run side by side`;
}

type Beside = { readonly one: Subject; readonly other: Subject; readonly round: number };

async function measureBeside(run: Run, { one, other, round }: Beside): Promise<void> {
  const step = `${round} beside ${other.model.id}`;
  const { id } = one.model;
  if (run.journal.has(id, step)) return;
  // The other one first: loading it later would be measured.
  await run.target.load(other.model.id, run.signal);
  const lease = await run.target.acquire(id, run.signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    const { value: alone, flags } = await one.watch(run, false, () => answerOf(run, one, lease));
    const together = await whileGenerating(run, other, () => answerOf(run, one, lease));
    const sample: BenchSample = {
      ...{ kind: 'pair', round, flags, withModel: other.model.id },
      ...{ ttftAloneMs: ttftOf(alone), ttftTogetherMs: ttftOf(together) },
      ...{ tpotAloneMs: tpotOf(alone), tpotTogetherMs: tpotOf(together) },
    };
    run.journal.add(id, step, [sample]);
    how = 'ok';
  } catch (error) {
    if (run.signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
  }
}

const CHARS_PER_TOKEN = 4;

async function answerOf(run: Run, subject: Subject, lease: BenchLease): Promise<TimedRequest> {
  const plan = planOf(subject.contextTokens);
  const known = run.journal
    .samples(subject.model.id)
    .findLast((sample) => sample.kind === 'request' && sample.length === 'middle');
  const chars = known?.kind === 'request' ? known.promptChars : plan.promptTokens.middle * CHARS_PER_TOKEN;
  const ask = { model: subject.model.id, clock: run.clock, signal: run.signal };
  return (await readAnswer(ask, lease, { chars, outputTokens: plan.outputTokens })).timed;
}

/** Runs `measure` while this model generates, from its first token on; it is stopped afterwards. */
async function whileGenerating<Value>(run: Run, subject: Subject, measure: () => Promise<Value>): Promise<Value> {
  const lease = await run.target.acquire(subject.model.id, run.signal);
  const stop = new AbortController();
  const onAbort = () => stop.abort(run.signal.reason);
  run.signal.addEventListener('abort', onAbort, { once: true });
  try {
    let generating = Promise.resolve();
    await new Promise<void>((resolve, reject) => {
      generating = generate(run, subject, { lease, signal: stop.signal, onFirst: resolve });
      generating.catch(reject);
    });
    const value = await measure();
    stop.abort(new GatewayError('cancelled', 'the other model has been measured'));
    await generating.catch(() => undefined);
    return value;
  } finally {
    stop.abort(new GatewayError('cancelled', 'the measurement has ended'));
    run.signal.removeEventListener('abort', onAbort);
    await lease.release('aborted');
  }
}

type Generating = { readonly lease: BenchLease; readonly signal: AbortSignal; readonly onFirst: () => void };

/** Generates until the signal aborts; a context that is full is begun anew. */
async function generate(run: Run, subject: Subject, { lease, signal, onFirst }: Generating): Promise<void> {
  const chars = planOf(subject.contextTokens).promptTokens.short;
  const outputTokens = Math.floor(subject.contextTokens / 2);
  while (!signal.aborted) {
    const text = promptText(chars, run.clock.randomHex(6));
    const timeoutMs = requestTimeoutMs(chars, outputTokens);
    const question = { model: subject.model.id, text, outputTokens, timeoutMs, onFirst };
    await streamRequest(lease.connection, question, { clock: run.clock, signal });
  }
}

function ttftOf({ firstMs }: TimedRequest): number {
  if (firstMs !== undefined && firstMs > 0) return firstMs;
  throw new GatewayError('runtime_failed', 'an answer without any content has no TTFT');
}

/** By the engine's own clock where it tells: on a busy machine several tokens of a quick model arrive at once. */
function tpotOf({ firstMs, lastMs, outputTokens, decodeMs }: TimedRequest): number {
  if (decodeMs !== undefined && decodeMs > 0 && outputTokens > 0) return decodeMs / outputTokens;
  if (firstMs !== undefined && lastMs !== undefined && lastMs > firstMs && outputTokens > 1) {
    return (lastMs - firstMs) / (outputTokens - 1);
  }
  throw new GatewayError('runtime_failed', 'an answer of one part has no TPOT');
}

/** Co-run figures of the run so far, one per model and model beside it. */
export function pairResults(run: Pick<Run, 'journal'>, subjects: readonly Subject[]): readonly BenchPair[] {
  return subjects.flatMap((subject) => {
    const samples = run.journal.samples(subject.model.id).filter((sample) => sample.kind === 'pair');
    const besides = [...new Set(samples.map(({ withModel }) => withModel))];
    return besides.flatMap((withModel): readonly BenchPair[] => {
      const other = subjects.find(({ model }) => model.id === withModel);
      const { modelKey } = subject.known;
      if (other === undefined || modelKey === undefined) return [];
      const here = samples.filter((sample) => sample.withModel === withModel);
      const factor = (id: string, values: readonly number[]) =>
        series({ id, unit: 'factor', side: 'served' }, values)[0];
      return [
        {
          ...{ model: subject.model.id, modelKey, device: subject.runtime.device },
          ...{ withModel, withDevice: other.runtime.device },
          prefillFactor: factor(
            'coRunPrefillFactor',
            here.map((one) => one.ttftTogetherMs / one.ttftAloneMs),
          ),
          decodeFactor: factor(
            'coRunDecodeFactor',
            here.map((one) => one.tpotTogetherMs / one.tpotAloneMs),
          ),
          flags: [...new Set(here.flatMap(({ flags }) => flags))],
        },
      ];
    });
  });
}
