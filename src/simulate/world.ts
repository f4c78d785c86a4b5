import { TASKS, type Task } from '../core/classes.ts';
import type { ModelId } from '../core/ids.ts';
import { parametersFromName } from '../core/names.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { Figure, ModelFacts, Profile, ProfileMetric } from '../core/profile.ts';
import type { ServiceModel } from '../core/service-model.ts';
import { sizeLawRate } from '../core/size-law.ts';
import { loadReference, referenceRows } from '../store/reference.ts';
import { createDraws } from './draws.ts';

/** A model as it truly is in a simulation. What a router may know of it is its {@link Profile}, which may be wrong. */
export type SimulatedModel = {
  readonly policy: ModelPolicy;
  readonly device: string;
  readonly service: ServiceModel;
  readonly facts: ModelFacts;
  readonly memoryBytes: number;
  /** Share of requests it answers well, 0..1, assumed; see {@link assumedQuality}. */
  readonly quality: Readonly<Record<Task, number>>;
};

/** The board: every model of a policy with its true figures. */
export type World = {
  readonly models: ReadonlyMap<ModelId, SimulatedModel>;
  readonly budgetBytes: number;
};

/** Load of the routing study: a start and the file at 0.6 GB/s from NVMe. */
const LOAD_START_MS = 2_000;
const STORAGE_BYTES_PER_MS = 600_000;
const UNLOAD_MS = 500;
/** 24 GB less what the system needs, as in the routing study. */
const BUDGET_BYTES = 22.4e9;
/** Q4_K_M on the CPU, w8a8 on the NPU. */
const BYTES_PER_PARAMETER = { cpu: 4.8 / 8, npu: 1.05 };
const UNKNOWN_SIZE_BILLION = 4;
/** Attention reads what came before: 2,000 tokens of context slow a step by about 15 %. Assumed. */
const CONTEXT_SHARE_PER_TOKEN = 7.5e-5;
/** NPU prefill, tokens per second: the published TTFT does not say its prompt, so these are assumed (study §0). */
const NPU_PREFILL_SMALL = 250;
const NPU_PREFILL_LARGE = 120;
const NPU_SMALL_BILLION = 2;
const NPU_FIXED_MS = 100;
const CONTEXT_TOKENS = 4_096;

/**
 * How far a task tells large models from small ones: quality = 1 - difficulty (1 - prior). Sorting a message into one of
 * five labels is easy for all, reasoning for none. Assumed, until micro-evaluations have measured it on a board.
 */
const DIFFICULTY: Readonly<Record<Task, number>> = {
  extract: 0.45,
  summarize: 0.75,
  rewrite: 0.75,
  qa: 0.9,
  chat: 0.9,
  creative: 1,
  code: 1.1,
  reasoning: 1.15,
};

/** True quality of a model at a task by its prior (the policy's `quality`), 0..1. */
export const assumedQuality = (prior: number, task: Task): number =>
  Math.min(1, Math.max(0, 1 - DIFFICULTY[task] * (1 - prior)));

/** The board a policy describes: reference figures by file name where they exist, else the size law. */
export function createWorld(policy: Policy): World {
  const table = loadReference();
  const models = new Map<ModelId, SimulatedModel>();
  for (const model of policy.models.values()) {
    if (!model.enabled) continue;
    const rows = referenceRows(model, table);
    const reference = new Map<ProfileMetric, number>(rows.map(({ metric, figure }) => [metric, figure.value]));
    models.set(model.id, modelOf(model, policy.runtimes.get(model.runtime)?.device ?? 'cpu', reference));
  }
  const { memoryBytes, reserveBytes } = policy.machine;
  return { models, budgetBytes: memoryBytes === undefined ? BUDGET_BYTES : memoryBytes - reserveBytes };
}

function modelOf(policy: ModelPolicy, device: string, reference: ReadonlyMap<ProfileMetric, number>): SimulatedModel {
  const billion = parametersFromName(policy.file) ?? UNKNOWN_SIZE_BILLION;
  const onNpu = device === 'npu';
  const weightsBytes = billion * 1e9 * (onNpu ? BYTES_PER_PARAMETER.npu : BYTES_PER_PARAMETER.cpu);
  const memoryBytes = reference.get('peakMemoryBytes') ?? weightsBytes * 1.2;
  const npuRate = billion <= NPU_SMALL_BILLION ? NPU_PREFILL_SMALL : NPU_PREFILL_LARGE;
  const measuredRate = reference.get('prefillTokensPerSec') ?? sizeLawRate('prefillTokensPerSec', billion);
  const prefillMs = 1000 / (onNpu ? npuRate : measuredRate);
  const decodeMs = 1000 / (reference.get('decodeTokensPerSec') ?? sizeLawRate('decodeTokensPerSec', billion));
  const loadMs = LOAD_START_MS + weightsBytes / STORAGE_BYTES_PER_MS;
  return {
    policy,
    device,
    service: {
      prefillFixedMs: onNpu ? NPU_FIXED_MS : 0,
      prefillMsPerToken: prefillMs,
      prefillContextMs: prefillMs * CONTEXT_SHARE_PER_TOKEN,
      decodeMsPerToken: decodeMs,
      decodeContextMs: decodeMs * CONTEXT_SHARE_PER_TOKEN,
      loadMs,
      loadColdMs: undefined,
      unloadMs: UNLOAD_MS,
    },
    facts: factsOf(policy, { weightsBytes, billion, memoryBytes, onNpu }),
    memoryBytes,
    quality: qualities(policy.quality),
  };
}

function qualities(prior: number): Record<Task, number> {
  const table = {} as Record<Task, number>;
  for (const task of TASKS) table[task] = assumedQuality(prior, task);
  return table;
}

function factsOf(
  { settings }: ModelPolicy,
  size: {
    readonly weightsBytes: number;
    readonly billion: number;
    readonly memoryBytes: number;
    readonly onNpu: boolean;
  },
): ModelFacts {
  return {
    weightsBytes: size.weightsBytes,
    parametersBillion: size.billion,
    quantization: undefined,
    architecture: undefined,
    trainedContext: undefined,
    contextTokens: settings.context ?? CONTEXT_TOKENS,
    estimatedMemoryBytes: size.memoryBytes,
    capabilities: {
      streaming: true,
      tools: !size.onNpu,
      vision: false,
      audio: false,
      jsonSchema: !size.onNpu,
      logprobs: !size.onNpu,
      generation: true,
      completions: !size.onNpu,
      embeddings: false,
      rerank: false,
      thinking: false,
    },
  };
}

/** Samples behind each simulated benchmark figure. */
const BENCH_SAMPLES = 5;

/**
 * The profile a router is given of a model. `wrongSeed`: each rate and the load time is off by a factor of its own,
 * log-uniform between a half and two; undefined: they are right. Qualities are always right: they are what is optimised
 * and not what is predicted.
 */
export function profileOf(model: SimulatedModel, wrongSeed: number | undefined): Profile {
  const draws = wrongSeed === undefined ? undefined : createDraws(wrongSeed, `bench ${model.policy.id}`);
  const off = (): number => (draws === undefined ? 1 : 0.5 * 4 ** draws.uniform());
  const { service, quality } = model;
  const [prefillOff, decodeOff, loadOff] = [off(), off(), off()];
  const profile: { [Metric in ProfileMetric]?: Figure } = {
    prefillTokensPerSec: figure(1000 / (service.prefillMsPerToken * prefillOff)),
    prefillFixedMs: figure(service.prefillFixedMs * prefillOff),
    prefillContextMs: figure(service.prefillContextMs * prefillOff),
    decodeTokensPerSec: figure(1000 / (service.decodeMsPerToken * decodeOff)),
    decodeContextMs: figure(service.decodeContextMs * decodeOff),
    loadMs: figure(service.loadMs * loadOff),
    unloadMs: figure(service.unloadMs),
    peakMemoryBytes: figure(model.memoryBytes),
  };
  // Without samples: it is known, and no prior is weighed against it.
  for (const task of TASKS) profile[`quality.${task}`] = { ...figure(quality[task]), n: 0 };
  return profile;
}

const figure = (value: number): Figure => ({ value, provenance: 'measured', n: BENCH_SAMPLES, source: 'simulation' });
