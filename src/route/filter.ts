import type { Prediction, Slo, Workload } from '../core/decision.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { Capabilities, ModelPolicy, Policy } from '../core/policy.ts';
import type { LaneView, ModelView, Snapshot } from '../core/snapshot.ts';
import { chanceInTime } from './chance.ts';
import { assessMemory } from './memory.ts';
import { type PredictionContext, predict } from './predict.ts';
import { qualityOf } from './quality.ts';
import { lookAtQueue, type QueueOutlook } from './queue-outlook.ts';
import { utilityOf } from './utility.ts';

/**
 * Hard obstacles in the order they are looked at. Nothing relaxes them. A refusal speaks of the candidate that got
 * furthest, so permanent mistakes (a prompt too long) come before a matter of time (a closed window).
 */
export const OBSTACLES = ['unavailable', 'quarantined', 'class', 'capability', 'context', 'memory', 'window'] as const;
/** One of {@link OBSTACLES}. */
export type Obstacle = (typeof OBSTACLES)[number];

/** One model, looked at from every side. */
export class Assessment {
  readonly model: ModelPolicy;
  readonly device: string;
  readonly lane: LaneView | undefined;
  /** Quality at the task that is counted on; see {@link qualityOf}. */
  readonly quality: number;
  readonly predicted: Prediction | undefined;
  /** First hard obstacle with figures; undefined = it could serve the request. */
  readonly blocked: { readonly by: Obstacle; readonly reason: string; readonly remedy?: string } | undefined;
  readonly meetsQuality: boolean;
  /** Largest ratio of a predicted figure to its target (or of tokens to context); over 1 = missed. 0 without targets. */
  readonly strain: number;
  readonly contextTokens: number | undefined;
  /** What choosing it is worth, see `utility.ts`; undefined where it is blocked. */
  readonly utility: number | undefined;
  readonly #workload: Workload;

  constructor(seen: Omit<Assessment, 'misses' | 'meetsAll'>, workload: Workload) {
    this.model = seen.model;
    this.device = seen.device;
    this.lane = seen.lane;
    this.quality = seen.quality;
    this.predicted = seen.predicted;
    this.blocked = seen.blocked;
    this.meetsQuality = seen.meetsQuality;
    this.strain = seen.strain;
    this.contextTokens = seen.contextTokens;
    this.utility = seen.utility;
    this.#workload = workload;
  }

  /** True when it meets the quality floor and every target; says nothing of what blocks it. */
  get meetsAll(): boolean {
    return this.meetsQuality && this.strain <= 1;
  }

  /**
   * Targets it would miss, with figures; empty where `meetsAll`. Put into words when read: of a dozen candidates people
   * read one or two, and formatting all of them would cost more than the decision.
   */
  get misses(): readonly string[] {
    return describeMisses(this, this.#workload);
  }
}

/** What is the same for all candidates of one decision. */
export type Circumstances = PredictionContext & {
  readonly snapshot: Snapshot;
  readonly policy: Policy;
  /** Each device's queue, filled as the first of its models is looked at. */
  readonly queues: Map<string, QueueOutlook | undefined>;
  /** Pinned by the client: quality and class membership are the client's choice. */
  readonly pinned: boolean;
};

/** Looks at one model: prediction, hard obstacles, and the targets it would miss. */
export function assess(model: ModelPolicy, circumstances: Circumstances): Assessment {
  const { workload, snapshot, policy, pinned } = circumstances;
  const device = policy.runtimes.get(model.runtime)?.device ?? '';
  const queue = queueOf(device, circumstances);
  const lane = queue?.lane;
  const view = snapshot.models.get(model.id);
  if (view === undefined) return unseen(model, device, lane, workload);
  const memory = assessMemory(model.id, view, snapshot);
  const memoryWaitMs = memory.kind === 'waits' ? memory.waitMs : 0;
  const evictMs = memory.kind === 'evicts' ? memory.unloadMs : 0;
  const predicted = predict(circumstances, { model, view, device, queue, memoryWaitMs, evictMs });
  // Many texts are read one by one, and only the engine knows which of them is too long.
  const contextTokens = isWithoutWords(workload.needs)
    ? undefined
    : (view.facts?.contextTokens ?? model.settings.context);
  const blocked =
    availabilityObstacle(model, view) ??
    (pinned ? undefined : quarantineObstacle(model, view)) ??
    classObstacle(model, workload) ??
    capabilityObstacle(model, view, workload.needs) ??
    contextObstacle(predicted, contextTokens) ??
    (memory.kind === 'never' ? memoryObstacle(memory.needBytes, memory.budgetBytes, view.memoryBasis) : undefined) ??
    windowObstacle(circumstances);
  const quality = qualityOf(model, view, workload.task);
  const meetsQuality = pinned || quality >= workload.minQuality;
  const strain = strainOf(predicted, workload.slo, contextTokens);
  const priced = {
    quality,
    chance: chanceInTime(predicted, workload.slo.e2eMs),
    predicted,
    deviceLoad: queue?.load ?? 0,
    swapReturnMs: memory.kind === 'evicts' ? memory.returnMs : undefined,
    e2eTargetMs: workload.slo.e2eMs,
  };
  const utility = blocked === undefined ? utilityOf(priced, policy.routing, snapshot.recentSwaps) : undefined;
  const seen = { model, device, lane, quality, predicted, blocked, meetsQuality, strain, contextTokens, utility };
  return new Assessment(seen, workload);
}

function describeMisses(
  { quality, predicted, meetsQuality, strain, contextTokens }: Assessment,
  workload: Workload,
): string[] {
  const misses: string[] = [];
  if (!meetsQuality) misses.push(`quality ${quality} < ${workload.minQuality}`);
  if (strain > 1 && predicted !== undefined) pushStrains(misses, predicted, workload.slo, contextTokens);
  return misses;
}

function queueOf(device: string, { queues, workload, snapshot }: Circumstances): QueueOutlook | undefined {
  if (queues.has(device)) return queues.get(device);
  const lane = snapshot.lanes.get(device);
  const queue = lane === undefined ? undefined : lookAtQueue(lane, workload, snapshot);
  queues.set(device, queue);
  return queue;
}

/** `e2e 121 s > 45 s`: a figure against its bound; in ms where rounding would make the two look equal. */
export function exceeds(name: string, valueMs: number, boundMs: number): string {
  const value = formatDurationMs(valueMs);
  const bound = formatDurationMs(boundMs);
  if (value !== bound) return `${name} ${value} > ${bound}`;
  return `${name} ${Math.ceil(valueMs)} ms > ${Math.floor(boundMs)} ms`;
}

/** `prefill 9 s + decode 112 s, reference`: the terms that are not zero, and how far to trust them. */
export function describeTerms(predicted: Prediction): string {
  const terms: string[] = [];
  if (predicted.waitMs > 0) terms.push(`wait ${formatDurationMs(predicted.waitMs)}`);
  if (predicted.loadMs > 0) terms.push(`load ${formatDurationMs(predicted.loadMs)}`);
  terms.push(`prefill ${formatDurationMs(predicted.prefillMs)}`, `decode ${formatDurationMs(predicted.decodeMs)}`);
  return `${terms.join(' + ')}, ${predicted.basis}`;
}

function unseen(model: ModelPolicy, device: string, lane: LaneView | undefined, workload: Workload): Assessment {
  const blocked = { by: 'unavailable', reason: 'not inspected yet', remedy: 'try again in a moment' } as const;
  const contextTokens = model.settings.context;
  const { quality } = model;
  const lacks = { predicted: undefined, utility: undefined, meetsQuality: false, strain: 0 };
  return new Assessment({ model, device, lane, quality, blocked, contextTokens, ...lacks }, workload);
}

function availabilityObstacle(model: ModelPolicy, view: ModelView): Assessment['blocked'] {
  if (!model.enabled) {
    return { by: 'unavailable', reason: 'disabled by the policy', remedy: `set models.${model.id}.enabled to true` };
  }
  const { availability, residency } = view;
  if (availability.kind === 'unavailable') {
    return { by: 'unavailable', reason: availability.reason, remedy: availability.remedy };
  }
  if (residency.kind === 'failed') {
    return { by: 'unavailable', reason: residency.reason, remedy: 'see the log of its child process' };
  }
  return undefined;
}

function quarantineObstacle(model: ModelPolicy, { quarantined }: ModelView): Assessment['blocked'] {
  if (quarantined === undefined) return undefined;
  return {
    by: 'quarantined',
    reason: `quarantined: ${quarantined}`,
    remedy: `name ${model.id} to use it all the same, or run its quality check again`,
  };
}

function classObstacle(model: ModelPolicy, workload: Workload): Assessment['blocked'] {
  if (workload.openModels?.includes(model.id) === false) return { by: 'class', reason: 'not open to this client' };
  if (model.classes === undefined || model.classes.includes(workload.class)) return undefined;
  return { by: 'class', reason: `serves only class ${model.classes.join(', ')}, not ${workload.class}` };
}

function capabilityObstacle(model: ModelPolicy, view: ModelView, needs: Partial<Capabilities>): Assessment['blocked'] {
  const can = (name: keyof Capabilities) => model.capabilities[name] ?? view.facts?.capabilities[name];
  if (!isWithoutWords(needs) && can('generation') === false) {
    return { by: 'capability', reason: 'cannot answer in words, it only computes embeddings or scores' };
  }
  let missing: string[] | undefined;
  for (const name in needs) {
    const capability = name as keyof Capabilities;
    if (needs[capability] !== true) continue;
    if (can(capability) === true) continue;
    missing ??= [];
    missing.push(CAPABILITY_WORDS[capability]);
  }
  return missing === undefined ? undefined : { by: 'capability', reason: `cannot do ${missing.join(', ')}` };
}

// Vectors and scores: nothing is generated, and a quality measured on answers says nothing of them.
const isWithoutWords = ({ embeddings, rerank }: Partial<Capabilities>): boolean =>
  embeddings === true || rerank === true;

const CAPABILITY_WORDS: Readonly<Record<keyof Capabilities, string>> = {
  streaming: 'streaming',
  tools: 'tools',
  vision: 'images',
  audio: 'audio',
  jsonSchema: 'grammar-constrained output',
  logprobs: 'logprobs',
  generation: 'generation',
  completions: 'completions of a raw prompt',
  embeddings: 'embeddings',
  rerank: 'reranking',
  thinking: 'thinking',
};

// The prompt must fit with room for one token. That the expected answer fits too is a target (see strainOf): many
// clients send max_tokens far beyond any local context as a matter of course, and the engine then just stops.
function contextObstacle(predicted: Prediction, contextTokens: number | undefined): Assessment['blocked'] {
  if (contextTokens === undefined || predicted.promptTokens < contextTokens) return undefined;
  return { by: 'context', reason: describeContext(predicted, contextTokens) };
}

const describeContext = (predicted: Prediction, contextTokens: number): string =>
  `prompt ${predicted.promptTokens} + output ${predicted.outputTokens} tokens > context ${contextTokens}`;

const memoryObstacle = (needBytes: number, budgetBytes: number, basis: string): Assessment['blocked'] => ({
  by: 'memory',
  reason: `needs ${formatBytes(needBytes)} (${basis}) > ${formatBytes(budgetBytes)} for all models`,
  remedy: 'lower its context, quantize its KV cache, or raise machine.memory where the machine has more',
});

function windowObstacle({ workload, snapshot, policy }: Circumstances): Assessment['blocked'] {
  const window = snapshot.windows.get(workload.class);
  if (window === undefined || window.open) return undefined;
  const text = policy.classes[workload.class].window?.text ?? '';
  return {
    by: 'window',
    reason: `class ${workload.class} runs only in its window ${text}, which opens in ${formatDurationMs(window.opensInMs)}`,
  };
}

function strainOf(predicted: Prediction, slo: Slo, contextTokens: number | undefined): number {
  let strain = 0;
  if (slo.ttftMs !== undefined) strain = Math.max(strain, ratio(predicted.ttftMs, slo.ttftMs));
  if (slo.e2eMs !== undefined) strain = Math.max(strain, ratio(predicted.e2eMs, slo.e2eMs));
  if (contextTokens !== undefined) {
    const contextStrain = (predicted.promptTokens + predicted.outputTokens) / contextTokens;
    // Below the context there is no strain: a half-full context is not worse than an empty one.
    if (contextStrain > 1) strain = Math.max(strain, contextStrain);
  }
  return strain;
}

// A target of zero cannot be met; any figure is infinitely above it.
const ratio = (value: number, target: number): number => (target > 0 ? value / target : Number.POSITIVE_INFINITY);

function pushStrains(misses: string[], predicted: Prediction, slo: Slo, contextTokens: number | undefined): void {
  const late: string[] = [];
  if (slo.ttftMs !== undefined && predicted.ttftMs > slo.ttftMs)
    late.push(exceeds('ttft', predicted.ttftMs, slo.ttftMs));
  if (slo.e2eMs !== undefined && predicted.e2eMs > slo.e2eMs) late.push(exceeds('e2e', predicted.e2eMs, slo.e2eMs));
  if (late.length > 0) misses.push(`${late.join(', ')} (${describeTerms(predicted)})`);
  if (contextTokens !== undefined && predicted.promptTokens + predicted.outputTokens > contextTokens) {
    misses.push(describeContext(predicted, contextTokens));
  }
}

/** Position of a model's obstacle among {@link OBSTACLES}; the number of obstacles where there is none. */
export const progressOf = (assessment: Assessment): number =>
  assessment.blocked === undefined ? OBSTACLES.length : OBSTACLES.indexOf(assessment.blocked.by);

/** Ids and reasons of the blocked, for a refusal's message. */
export const describeBlocked = (assessments: readonly Assessment[]): string =>
  assessments.map(({ model, blocked }) => `${model.id}: ${blocked?.reason ?? ''}${remedyOf(blocked)}`).join('; ');

const remedyOf = (blocked: Assessment['blocked']): string =>
  blocked?.remedy === undefined ? '' : ` (${blocked.remedy})`;
