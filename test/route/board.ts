import { join } from 'node:path';
import { classify } from '../../src/classify/classify.ts';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import type { Decision, Workload } from '../../src/core/decision.ts';
import type { ModelId } from '../../src/core/ids.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import { parametersFromName } from '../../src/core/names.ts';
import type { ModelPolicy, Policy } from '../../src/core/policy.ts';
import { resolveProfile } from '../../src/core/profile.ts';
import type { LaneView, ModelView, Snapshot } from '../../src/core/snapshot.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { decide } from '../../src/route/decide.ts';
import { loadReference, referenceRows } from '../../src/store/reference.ts';
import { requestFacts } from '../classify/request-facts.ts';
import { laneView, modelFacts, NOW_MS } from './small-policy.ts';

/** The policy as shipped. */
export const shippedPolicy: Policy = await loadPolicy(join(import.meta.dirname, '../../routing-policy.yaml'));

const reference = loadReference();

/** What a test changes about the board; models are named by their id in the shipped policy. */
export type BoardState = {
  /** Ids that can be used; default: every llama.cpp model. */
  readonly available?: readonly string[];
  /** Ids whose child is not running; default: none. */
  readonly stopped?: readonly string[];
  readonly views?: Readonly<Record<string, Partial<ModelView>>>;
  readonly lanes?: readonly LaneView[];
  readonly memory?: Snapshot['memory'];
  readonly windows?: Snapshot['windows'];
};

const LLAMA = ['qwen3.5-0.8b', 'qwen3.5-2b', 'qwen3.5-4b', 'qwen3.5-9b', 'qwen3.5-27b'];
/** Every NPU model of the shipped policy. */
export const NPU = ['qwen3-1.7b', 'qwen2.5-3b', 'qwen2.5-coder-3b'];
/** CPU models and NPU models, all usable. */
export const EVERYTHING = [...LLAMA, ...NPU];

/** The 24 GB board at noon, everything usable loaded and idle, figures from the reference tables alone. */
export function board(state: BoardState = {}): Snapshot {
  const lanes = [laneView('cpu'), laneView('npu'), ...(state.lanes ?? [])];
  return {
    nowMs: NOW_MS,
    models: new Map(
      [...shippedPolicy.models.values()].map((model): [ModelId, ModelView] => [model.id, viewOf(model, state)]),
    ),
    lanes: new Map(lanes.map((lane) => [lane.device, lane])),
    memory: state.memory ?? { budgetBytes: 22e9, pinnedBytes: 0, evictableBytes: 0 },
    windows: state.windows ?? new Map([['batch', { open: true, opensInMs: 0 }]]),
    knowledge: NO_KNOWLEDGE,
    recentSwaps: 0,
  };
}

function viewOf(model: ModelPolicy, state: BoardState): ModelView {
  const onNpu = model.runtime === 'npu';
  const profile = resolveProfile(referenceRows(model, reference));
  const billion = parametersFromName(model.file) ?? parametersFromName(model.id) ?? 1;
  const available = (state.available ?? LLAMA).includes(model.id);
  return {
    availability: available
      ? { kind: 'available' }
      : { kind: 'unavailable', reason: `${model.file} does not exist`, remedy: 'put the file there' },
    facts: modelFacts({
      parametersBillion: billion,
      weightsBytes: billion * 0.5625e9,
      contextTokens: onNpu ? (model.id === 'qwen3-1.7b' ? 4096 : 2048) : (model.settings.context ?? 2048),
      capabilities: {
        streaming: true,
        tools: !onNpu,
        vision: false,
        audio: false,
        jsonSchema: !onNpu,
        logprobs: !onNpu,
        generation: true,
        completions: !onNpu,
        embeddings: false,
        rerank: false,
        thinking: false,
      },
    }),
    profile,
    residency: (state.stopped ?? []).includes(model.id) ? { kind: 'stopped' } : { kind: 'ready' },
    running: 0,
    parallel: 1,
    slotWaitMs: 0,
    memoryBytes: profile.peakMemoryBytes?.value ?? billion * 1.2e9,
    memoryBasis: 'reference',
    stale: [],
    quarantined: undefined,
    coRun: [],
    fileWarm: true,
    lastUsedMs: undefined,
    usesPerHour: 0,
    ...state.views?.[model.id],
  };
}

/** A request as a client sends it: what the decoder would have found. */
export type Asked = Parameters<typeof requestFacts>[0];

/** Classifies by the shipped policy; throws the client's mistake. */
export function workloadOf(asked: Asked, client?: ClientPolicy): Workload {
  const answer = classify(requestFacts(asked), shippedPolicy, client);
  if (answer.kind !== 'ok') throw new Error(answer.message);
  return answer.workload;
}

/** Request to decision by the shipped policy. */
export const decideOn = (asked: Asked, state: BoardState = {}, client?: ClientPolicy): Decision =>
  decide(workloadOf(asked, client), board(state), shippedPolicy);
