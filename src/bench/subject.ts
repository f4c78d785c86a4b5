import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, RuntimePolicy } from '../core/policy.ts';
import type { ModelFacts } from '../core/profile.ts';
import { modelKey } from '../store/model-key.ts';
import type { BenchOptions } from './bench-options.ts';
import type { BenchView } from './bench-target.ts';
import { watched } from './disturbance.ts';
import { cpusUsed, readMachine } from './fingerprint.ts';
import { hashFile } from './hash-file.ts';
import { benchProgram } from './measure-raw.ts';
import type { BenchModelResult, MachineState } from './result.ts';

/** One model of a run, with what has been learned of it on the way. */
export class Subject {
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy;
  readonly view: BenchView | undefined;
  /** What is known before anything is measured. */
  readonly known: BenchModelResult;
  /** What failed, by side. */
  readonly failures = new Map<string, string>();
  readonly warnings = new Set<string>();
  start: MachineState | undefined;
  end: MachineState | undefined;
  sha256: string | undefined;

  constructor(parts: Pick<Subject, 'model' | 'runtime' | 'view' | 'known'>) {
    this.model = parts.model;
    this.runtime = parts.runtime;
    this.view = parts.view;
    this.known = parts.known;
  }

  get contextTokens(): number {
    return this.view?.facts?.contextTokens ?? CONTEXT_DEFAULT;
  }

  get usesNpu(): boolean {
    return this.runtime.kind === 'rkllm';
  }

  /** Runs `measure` and says what disturbed it. `byEndedChildren`: see `disturbance.ts`. */
  watch<Value>(
    run: Pick<BenchOptions, 'clock' | 'target' | 'sysroot'>,
    byEndedChildren: boolean,
    measure: () => Promise<Value>,
  ) {
    const pids = () => run.target.views().get(this.model.id)?.pid ?? [];
    const { clock, sysroot } = run;
    const work = { clock, usesNpu: this.usesNpu, byEndedChildren, pids: () => [pids()].flat() };
    return watched(sysroot === undefined ? work : { ...work, sysroot }, measure);
  }

  /** SHA-256 of the file, once something was measured; reading it before would warm the page cache. */
  async hash(run: Pick<BenchOptions, 'store' | 'signal'>): Promise<void> {
    try {
      this.sha256 = await hashFile(this.model.file, run.store, run.signal);
    } catch {
      // Aborted or gone meanwhile: the result is good without it, and the model key still names the content.
    }
  }
}

/** Where an adapter cannot tell the context, prompts are measured as for the shipped policy's 2,048. */
const CONTEXT_DEFAULT = 2_048;

/** True where nothing stands in the way of measuring it. */
export const isUsable = ({ known }: Subject): boolean => known.outcome !== 'unavailable';

/** What of a run's options looking at a model takes. */
export type SubjectOptions = Pick<BenchOptions, 'policy' | 'sides'> & {
  readonly target: Pick<BenchOptions['target'], 'views'>;
  readonly sysroot?: string | undefined;
};

/** A model of the policy, looked at; throws `model_not_found` where there is none of that id. */
export function subjectOf(options: SubjectOptions, id: ModelId): Subject {
  const model = options.policy.models.get(id);
  const runtime = model && options.policy.runtimes.get(model.runtime);
  if (model === undefined || runtime === undefined) {
    const known = [...options.policy.models.keys()].join(', ');
    throw new GatewayError('model_not_found', `the policy has no model ${id}; it has ${known}`);
  }
  const view = options.target.views().get(id);
  const unavailable = reasonNotTo(model, view) ?? reasonNotRaw(options, runtime);
  const described = describe(options, { model, runtime, view });
  const known: BenchModelResult =
    unavailable === undefined ? described : { ...described, ...unavailable, outcome: 'unavailable' };
  return new Subject({ model, runtime, view, known });
}

function kvCacheOf(facts: ModelFacts | undefined): BenchModelResult['kvCache'] {
  const { prefixCache, contextTokens } = facts ?? {};
  if (prefixCache === undefined || contextTokens === undefined) return undefined;
  const { bytesPerToken, slots } = prefixCache;
  return { bytesPerToken, contextTokens, bytes: bytesPerToken * contextTokens * slots };
}

type Looked = { readonly model: ModelPolicy; readonly runtime: RuntimePolicy; readonly view: BenchView | undefined };

function describe(options: SubjectOptions, { model, runtime, view }: Looked): BenchModelResult {
  const facts = view?.facts;
  return {
    model: model.id,
    runtime: model.runtime,
    device: runtime.device,
    runtimeKind: runtime.kind,
    outcome: 'measured',
    modelKey: modelKey(model),
    ...(facts === undefined ? {} : { file: { name: baseName(model.file), sizeBytes: facts.weightsBytes } }),
    quantization: facts?.quantization,
    architecture: facts?.architecture,
    parametersBillion: facts?.parametersBillion,
    kvCache: kvCacheOf(facts),
    settings: { ...model.settings },
    cpusUsed: cpusUsed(model.settings.cpus, readMachine(options.sysroot)),
    runtimeVersion: view?.runtimeVersion,
    warnings: [],
    series: [],
    figures: [],
  };
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function reasonNotTo(model: ModelPolicy, view: BenchView | undefined) {
  if (!model.enabled) return { reason: 'switched off in the policy', remedy: 'set enabled: true' };
  if (view === undefined) return { reason: 'not known to the supervisor', remedy: 'check the policy' };
  if (view.availability.kind === 'available') return reasonNotToGenerate(model, view);
  return { reason: view.availability.reason, remedy: view.availability.remedy };
}

// Every metric is one of a generation.
function reasonNotToGenerate({ id, capabilities }: ModelPolicy, { facts }: BenchView) {
  if ((capabilities.generation ?? facts?.capabilities.generation) !== false) return undefined;
  const remedy = `leave ${id} out, or set capabilities: {generation: true} where it answers in words as well`;
  return { reason: 'it only computes embeddings or scores, and what is measured are generations', remedy };
}

function reasonNotRaw(options: SubjectOptions, runtime: RuntimePolicy) {
  if (options.sides !== 'raw' || benchProgram(runtime) !== undefined) return undefined;
  const reason = `runtimes of kind ${runtime.kind} have no raw benchmark program`;
  return { reason, remedy: "run without --raw-only: the runtime's own figures come with the served ones" };
}
