import type { Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, Policy, RuntimePolicy } from '../core/policy.ts';
import { modelKey } from '../store/model-key.ts';
import type { Store } from '../store/open-store.ts';
import type { BenchProgress, BenchTarget, BenchView } from './bench-target.ts';
import { figuresOf } from './figures.ts';
import { cpusUsed, readMachine, readMachineState, stateWarnings } from './fingerprint.ts';
import { hashFile } from './hash-file.ts';
import { benchProgram, measureRaw } from './measure-raw.ts';
import { measureServed, servedSteps } from './measure-served.ts';
import { METRICS } from './metrics/list.ts';
import type { BenchSamples } from './metrics/metric.ts';
import { createProgress, type ProgressMeter } from './progress.ts';
import { type BenchDocument, type BenchModelResult, RESULT_SCHEMA } from './result.ts';
import { saveBench } from './save-bench.ts';

/** What to measure, with what, and where to put it. */
export type BenchOptions = {
  readonly policy: Policy;
  /** In this order; all must stand in the policy. */
  readonly models: readonly ModelId[];
  /** The supervisor; nothing else may use it meanwhile. */
  readonly target: BenchTarget;
  readonly store: Store;
  readonly clock: Clock;
  /** Ends the run; models that were finished keep their results. */
  readonly signal: AbortSignal;
  readonly sluiceVersion: string;
  /** Folder for the JSON file; made when it does not exist. */
  readonly directory: string;
  readonly repetitions?: number;
  readonly settleMs?: number;
  readonly sides?: 'both' | 'raw' | 'served';
  /** Decode rates behind prompts of several lengths; on unless switched off. */
  readonly depths?: boolean;
  readonly sysroot?: string;
  readonly onProgress?: (progress: BenchProgress) => void;
};

/** Repetitions unless told otherwise: below five an interval covers less than it says. */
export const REPETITIONS_DEFAULT = 5;
/** A quick look; shown as provisional. */
export const REPETITIONS_QUICK = 3;
/** Quiet time after a load, as earlier work on these boards used (board facts, section 2). */
export const SETTLE_MS_DEFAULT = 5_000;

/** The run's document and the file it went to; none where no model could be tried. */
export type BenchOutcome = { readonly document: BenchDocument; readonly file: string | undefined };

type Run = BenchOptions & {
  readonly repetitions: number;
  readonly settleMs: number;
  readonly sides: 'both' | 'raw' | 'served';
  readonly id: string;
};

/**
 * Measures models one after the other and stores the run in SQLite and in one JSON file after each of them, so that
 * neither an abort nor a crash loses a finished model. A model that cannot run is listed with the reason; one that
 * fails does not stop the others.
 * Throws what makes storing fail; an abort ends the run early without throwing.
 */
export async function benchModels(options: BenchOptions): Promise<BenchOutcome> {
  const startedMs = options.clock.nowMs();
  const run: Run = {
    ...options,
    repetitions: options.repetitions ?? REPETITIONS_DEFAULT,
    settleMs: options.settleMs ?? SETTLE_MS_DEFAULT,
    sides: options.sides ?? 'both',
    id: `${new Date(startedMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-${options.clock.randomHex(3)}`,
  };
  const meter = createProgress(run.models, stepsPerModel(run), run.clock, run.onProgress);
  let document: BenchDocument = {
    kind: 'sluice-bench',
    schema: RESULT_SCHEMA,
    id: run.id,
    startedAt: new Date(startedMs).toISOString(),
    sluiceVersion: run.sluiceVersion,
    repetitions: run.repetitions,
    settleMs: run.settleMs,
    machine: readMachine(run.sysroot),
    models: [],
  };
  let file: string | undefined;
  for (const model of run.models) {
    if (run.signal.aborted && document.models.length > 0) break;
    const result = await benchModel(run, model, meter);
    const finishedAt = new Date(run.clock.nowMs()).toISOString();
    document = { ...document, finishedAt, models: [...document.models, result] };
    // A run that found nothing to measure is no result: its file would only be committed by mistake.
    if (document.models.every(({ outcome }) => outcome === 'unavailable')) continue;
    file = saveBench(document, { store: run.store, directory: run.directory, provenance: 'measured' });
  }
  return { document, file };
}

const stepsPerModel = (run: Run): number =>
  (run.sides === 'served' ? 0 : 1) + (run.sides === 'raw' ? 0 : servedSteps(run.repetitions));

async function benchModel(run: Run, id: ModelId, meter: ProgressMeter): Promise<BenchModelResult> {
  const model = run.policy.models.get(id);
  const runtime = model && run.policy.runtimes.get(model.runtime);
  if (model === undefined || runtime === undefined) {
    throw new GatewayError(
      'model_not_found',
      `the policy has no model ${id}; it has ${[...run.policy.models.keys()].join(', ')}`,
    );
  }
  meter.startModel(id);
  const view = run.target.views().get(id);
  const known = describe(run, model, view);
  const unavailable = reasonNotTo(model, view) ?? reasonNotRaw(run, runtime);
  if (unavailable !== undefined) return { ...known, ...unavailable, outcome: 'unavailable' };
  // Whatever is loaded takes memory and, while it ends, the CPU.
  for (const other of run.policy.models.keys()) await run.target.unload(other);

  const start = readMachineState(run.clock.nowMs(), run.sysroot);
  const measured = await measure(run, { model, runtime, view, meter });
  const end = readMachineState(run.clock.nowMs(), run.sysroot);
  const series = METRICS.flatMap((metric) => metric.measure(measured.samples));
  const figures = figuresOf(series, { id: run.id, at: end.at });
  const sha256 = series.length === 0 || run.signal.aborted ? undefined : await hash(run, model, meter);
  return {
    ...known,
    ...(known.file === undefined || sha256 === undefined ? {} : { file: { ...known.file, sha256 } }),
    outcome: run.signal.aborted ? 'aborted' : measured.failures.length > 0 ? 'failed' : 'measured',
    ...(measured.failures.length > 0 ? { reason: measured.failures.join('; ') } : {}),
    runtimeVersion: view?.runtimeVersion,
    rawVersion: measured.rawVersion,
    rawCommand: measured.rawCommand,
    start,
    end,
    warnings: [...measured.warnings, ...stateWarnings(start, end, { usesNpu: runtime.kind === 'rkllm' })],
    series,
    figures,
  };
}

function describe(run: Run, model: ModelPolicy, view: BenchView | undefined): BenchModelResult {
  const facts = view?.facts;
  return {
    model: model.id,
    runtime: model.runtime,
    outcome: 'measured',
    modelKey: modelKey(model),
    ...(facts === undefined ? {} : { file: { name: baseName(model.file), sizeBytes: facts.weightsBytes } }),
    quantization: facts?.quantization,
    architecture: facts?.architecture,
    parametersBillion: facts?.parametersBillion,
    settings: { ...model.settings },
    cpusUsed: cpusUsed(model.settings.cpus, readMachine(run.sysroot)),
    warnings: [],
    series: [],
    figures: [],
  };
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function reasonNotTo(model: ModelPolicy, view: BenchView | undefined) {
  if (!model.enabled) return { reason: 'switched off in the policy', remedy: 'set enabled: true' };
  if (view === undefined) return { reason: 'not known to the supervisor', remedy: 'check the policy' };
  if (view.availability.kind === 'available') return undefined;
  return { reason: view.availability.reason, remedy: view.availability.remedy };
}

function reasonNotRaw(run: Run, runtime: RuntimePolicy) {
  if (run.sides !== 'raw' || benchProgram(runtime) !== undefined) return undefined;
  const reason = `runtimes of kind ${runtime.kind} have no raw benchmark program`;
  return { reason, remedy: "run without --raw-only: the runtime's own figures come with the served ones" };
}

type Measured = {
  readonly samples: BenchSamples;
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  readonly rawVersion?: string;
  readonly rawCommand?: string;
};

type Subject = {
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy;
  readonly view: BenchView | undefined;
  readonly meter: ProgressMeter;
};

/** Both sides, each on its own: what one of them cannot do is a failure of that side only. */
async function measure(run: Run, subject: Subject): Promise<Measured> {
  const failures: string[] = [];
  const attempt = async <Value>(side: string, work: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!run.signal.aborted) failures.push(`${side}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const wantsRaw = run.sides !== 'served' && benchProgram(subject.runtime) !== undefined;
  const raw = wantsRaw ? await attempt('llama-bench', () => rawSide(run, subject)) : undefined;
  const wantsServed = run.sides !== 'raw' && !run.signal.aborted;
  const served = wantsServed ? await attempt('served', () => servedSide(run, subject)) : undefined;
  return {
    samples: {
      loadsMs: served?.loadsMs ?? [],
      requests: served?.requests ?? [],
      deep: served?.deep ?? [],
      peakMemoryBytes: served?.peakMemoryBytes ?? [],
      raw: raw?.samples,
    },
    failures,
    warnings: served?.warnings ?? [],
    ...(raw?.build === undefined ? {} : { rawVersion: raw.build }),
    ...(raw === undefined ? {} : { rawCommand: raw.command }),
  };
}

function rawSide(run: Run, { model, runtime, meter }: Subject) {
  meter.step('llama-bench');
  const { clock, signal, repetitions } = run;
  return measureRaw({ model, runtime, environment: run.policy.machine.environment, repetitions, clock, signal });
}

function servedSide(run: Run, { model, view, meter }: Subject) {
  return measureServed({
    model: model.id,
    target: run.target,
    clock: run.clock,
    signal: run.signal,
    contextTokens: view?.facts?.contextTokens ?? CONTEXT_DEFAULT,
    repetitions: run.repetitions,
    settleMs: run.settleMs,
    depths: run.depths ?? true,
    ...(run.sysroot === undefined ? {} : { sysroot: run.sysroot }),
    onStep: (step) => meter.step(step),
  });
}

/** Where an adapter cannot tell the context, prompts are measured as for the shipped policy's 2,048. */
const CONTEXT_DEFAULT = 2_048;

async function hash(run: Run, model: ModelPolicy, meter: ProgressMeter): Promise<string | undefined> {
  meter.note('hashing the file');
  try {
    return await hashFile(model.file, run.store, run.signal);
  } catch {
    // Aborted or gone meanwhile: the result is good without it, and the model key still names the content.
    return undefined;
  }
}
