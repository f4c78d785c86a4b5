import type { ModelClass } from '../../src/core/classes.ts';
import type { Workload } from '../../src/core/decision.ts';
import { type ModelId, modelId, runtimeId } from '../../src/core/ids.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { ClassifyRule, ClassPolicy, ModelPolicy, Policy, RoutingPolicy } from '../../src/core/policy.ts';
import type { Profile } from '../../src/core/profile.ts';
import type { LaneEntry, LaneView, ModelView, Snapshot } from '../../src/core/snapshot.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';

/** Wall clock of every snapshot here. */
export const NOW_MS = Date.UTC(2026, 10, 20, 12);

const CLASS: ClassPolicy = {
  ttftMs: undefined,
  e2eMs: undefined,
  minQuality: 0,
  whenNone: 'degrade',
  prefer: undefined,
  quantile: 0.8,
  outputTokens: 100,
  window: undefined,
  yieldTo: [],
};

/** A policy of one CPU and one NPU, written by hand so that rules of routing are tested apart from any file. */
export function smallPolicy(given: {
  readonly models: readonly ModelPolicy[];
  readonly classes?: Partial<Record<ModelClass, Partial<ClassPolicy>>>;
  readonly routing?: Partial<RoutingPolicy>;
  readonly rules?: readonly ClassifyRule[];
  readonly unknownModel?: 'reject' | 'auto';
}): Policy {
  const classes = given.classes ?? {};
  const runtime = (id: string, device: string) =>
    [
      runtimeId(id),
      {
        id: runtimeId(id),
        kind: id,
        device,
        binary: undefined,
        benchBinary: undefined,
        library: undefined,
        settings: {},
      },
    ] as const;
  return {
    file: '<test>',
    revision: '0',
    gateway: {
      host: '127.0.0.1',
      port: 0,
      unknownModel: given.unknownModel ?? 'reject',
      bodyBytesMax: 1e6,
      earlyHeadersMs: 2000,
      heartbeatMs: 15_000,
      statusHoldMs: 240_000,
      writeTimeoutMs: 60_000,
      drainMs: 30_000,
      queueDepthMax: 64,
      corsOrigins: [],
      recordFeatures: true,
      streamGuard: 'off',
    },
    machine: { memoryBytes: undefined, reserveBytes: 0, environment: {}, nodeHeapBytes: undefined, beforeStart: [] },
    devices: new Map([
      ['cpu', { id: 'cpu', lanes: 1 }],
      ['npu', { id: 'npu', lanes: 1 }],
    ]),
    runtimes: new Map([runtime('llama', 'cpu'), runtime('npu', 'npu')]),
    models: new Map(given.models.map((model) => [model.id, model])),
    classes: {
      route: { ...CLASS, ...classes.route },
      interactive: { ...CLASS, ...classes.interactive },
      quality: { ...CLASS, ...classes.quality },
      batch: { ...CLASS, ...classes.batch },
    },
    routing: {
      explore: 0.01,
      congestionPrice: 0.15,
      loadPrice: 0.1,
      swapMargin: 0.02,
      conversationBonus: 0.05,
      ...given.routing,
    },
    classify: {
      rules: given.rules ?? [],
      model: { kind: 'linear' },
      confidence: 0.6,
      budgetMs: 300,
      allowBatch: false,
    },
    bench: { idle: undefined },
    batch: {
      windows: [],
      timezone: 'UTC',
      idleMs: undefined,
      temperatureMaxCelsius: 85,
      foreignLoadMax: 0.5,
      yield: 'resume',
      swapBackMs: 120_000,
      crashesMax: 3,
      fileBytesMax: 2e8,
      linesMax: 50_000,
      keepFilesMs: 14 * 86_400_000,
    },
    observe: { otlp: { endpoint: undefined, everyMs: 60_000, traceShare: 1 } },
    verdicts: {
      chat: { promptTokens: 100, outputTokens: 60 },
      ...{ excellentMs: 15_000, comfortableMs: 30_000, deliberateMs: 90_000 },
      ...{ npuDecodeFloor: 5, decodeFloor: 1, memoryShareMax: 0.85 },
    },
    clients: [],
  };
}

/** Rates as a profile, all of them measured. */
export function measured(rates: { prefill: number; decode: number; loadMs?: number; fixedMs?: number }): Profile {
  const figure = (value: number) => ({ value, provenance: 'measured', n: 5, source: 'test' }) as const;
  return {
    prefillTokensPerSec: figure(rates.prefill),
    decodeTokensPerSec: figure(rates.decode),
    loadMs: figure(rates.loadMs ?? 2000),
    charsPerToken: figure(4),
    templateTokens: figure(0),
    ...(rates.fixedMs === undefined ? {} : { prefillFixedMs: figure(rates.fixedMs) }),
  };
}

/** A loaded, idle, available model. */
export function modelView(given: Partial<ModelView> = {}): ModelView {
  return {
    availability: { kind: 'available' },
    facts: modelFacts(),
    profile: measured({ prefill: 100, decode: 10 }),
    residency: { kind: 'ready' },
    running: 0,
    parallel: 1,
    slotWaitMs: 0,
    memoryBytes: 4e9,
    memoryBasis: 'measured',
    stale: [],
    quarantined: undefined,
    coRun: [],
    fileWarm: true,
    lastUsedMs: undefined,
    usesPerHour: 0,
    ...given,
  };
}

/** An idle machine with 22 GB for models. */
export function snapshotOf(
  views: Readonly<Record<string, Partial<ModelView>>>,
  given: Partial<Omit<Snapshot, 'models' | 'lanes'>> & { readonly lanes?: readonly LaneView[] } = {},
): Snapshot {
  const { lanes = [], ...rest } = given;
  return {
    nowMs: NOW_MS,
    models: new Map(Object.entries(views).map(([id, view]) => [modelId(id), modelView(view)] as [ModelId, ModelView])),
    memory: { budgetBytes: 22e9, pinnedBytes: 0, evictableBytes: 0 },
    windows: new Map(),
    knowledge: NO_KNOWLEDGE,
    recentSwaps: 0,
    ...rest,
    lanes: new Map([laneView('cpu'), laneView('npu'), ...lanes].map((lane) => [lane.device, lane])),
  };
}

/** A device's queue. */
export const laneView = (device: string, given: Partial<LaneView> = {}): LaneView => ({
  device,
  lanes: 1,
  running: [],
  waiting: [],
  ...given,
});

/** An entry of a queue that has just arrived. */
export const laneEntry = (given: Partial<Omit<LaneEntry, 'model'>> & { readonly model?: string } = {}): LaneEntry => ({
  class: 'interactive',
  arrivedMs: NOW_MS,
  deadlineMs: NOW_MS + 45_000,
  remainingMs: 10_000,
  ...given,
  model: modelId(given.model ?? 'a'),
});

/** A question of 400 characters (100 tokens at four each) without targets. */
export const workload = (given: Partial<Workload> = {}): Workload => ({
  class: 'interactive',
  task: 'chat',
  reasons: [],
  pinnedModel: undefined,
  promptChars: 400,
  messageCount: 1,
  promptTokensExact: undefined,
  outputTokensMax: undefined,
  needs: {},
  stream: true,
  slo: { ttftMs: undefined, e2eMs: undefined, source: 'test' },
  minQuality: 0,
  ...given,
});

export { modelFacts, modelPolicy };
