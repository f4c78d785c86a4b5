import { recordedFacts } from '../classify/recorded-facts.ts';
import { TASKS, type Task } from '../core/classes.ts';
import type { RequestRecord } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { Policy } from '../core/policy.ts';
import type { ModelFacts, Profile } from '../core/profile.ts';
import { qualityOf } from '../route/quality.ts';
import { serviceFigures } from '../route/service.ts';
import type { SimulatedRequest } from './workload.ts';
import type { SimulatedModel, World } from './world.ts';

/** Requests of the past that can be tried again, and why others cannot. */
export type RecordedRequests = {
  readonly requests: readonly SimulatedRequest[];
  /** Wall clock of the first one. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Requests whose features were not kept: recording was off, or the rate too high. */
  readonly withoutFeatures: number;
  /** Tests of the policy's rules that nobody put when a request was new, by the index of the request. */
  readonly unanswered: ReadonlyMap<number, ReadonlySet<string>>;
};

/** Characters per token where neither the engine nor a prediction said how many tokens a prompt had. */
const CHARS_PER_TOKEN = 3.6;
/** Never explores: a comparison must not hang on chance. */
const NO_DRAW = 1;

/**
 * Recorded requests, oldest first, as a simulated day takes them. Lengths are those that were seen; a request that was
 * refused or cancelled gets the length that was expected, else `outputTokens` of its class.
 */
export function recordedRequests(records: readonly RequestRecord[], policy: Policy): RecordedRequests {
  const kept = records
    .filter(({ features }) => features !== undefined)
    .toSorted((a, b) => a.receivedAtMs - b.receivedAtMs);
  const startMs = kept[0]?.receivedAtMs ?? 0;
  const unanswered = new Map<number, ReadonlySet<string>>();
  const requests = kept.map((record, index) => {
    const { request, tests } = requestOf(record, index, startMs, policy);
    unanswered.set(index, tests);
    return request;
  });
  const durationMs = (kept.at(-1)?.receivedAtMs ?? 0) - startMs;
  return { requests, startMs, durationMs, withoutFeatures: records.length - kept.length, unanswered };
}

function requestOf(record: RequestRecord, index: number, startMs: number, policy: Policy) {
  const { features, actual, predicted } = record;
  if (features === undefined) throw new Error('a request without features cannot be tried again');
  const { facts, unanswered } = recordedFacts(features);
  const client = policy.clients.find(({ name }) => name === record.client);
  const expected = predicted?.outputTokensMedian ?? policy.classes[record.class].outputTokens;
  const bound = facts.maxTokens ?? Number.POSITIVE_INFINITY;
  const request: SimulatedRequest = {
    index,
    atMs: record.receivedAtMs - startMs,
    class: record.class,
    task: taskOf(record.task),
    stream: record.stream,
    promptTokens: Math.max(
      1,
      actual.promptTokens ?? predicted?.promptTokens ?? Math.ceil(facts.promptChars / CHARS_PER_TOKEN),
    ),
    promptChars: facts.promptChars,
    outputTokens: Math.max(1, Math.round(actual.outputTokens ?? Math.min(expected, bound))),
    noise: { prefill: 1, decode: 1 },
    draw: NO_DRAW,
    recorded: { facts, client },
  };
  return { request, tests: unanswered };
}

const taskOf = (name: string): Task => TASKS.find((task) => task === name) ?? 'chat';

/** What is known of one model of a machine; absent models are not part of it. */
export type KnownModel = { readonly profile: Profile; readonly facts: ModelFacts; readonly memoryBytes: number };

/**
 * A machine as it is known to be: each model as fast as its figures say, corrected by what traffic has taught. Models
 * that cannot be used here are left out.
 */
export function measuredWorld(
  policy: Policy,
  models: ReadonlyMap<ModelId, KnownModel>,
  machine: { readonly knowledge: Pick<Knowledge, 'calibration'>; readonly budgetBytes: number },
): World {
  const world = new Map<ModelId, SimulatedModel>();
  for (const [id, known] of models) {
    const model = policy.models.get(id);
    if (model === undefined) continue;
    const device = policy.runtimes.get(model.runtime)?.device ?? '';
    const { service } = serviceFigures(known, model);
    const { prefill, decode } = machine.knowledge.calibration(device, id);
    const quality = {} as Record<Task, number>;
    for (const task of TASKS) quality[task] = qualityOf(model, known, task);
    world.set(id, {
      policy: model,
      device,
      service: {
        ...service,
        prefillFixedMs: service.prefillFixedMs * prefill.factor,
        prefillMsPerToken: service.prefillMsPerToken * prefill.factor,
        prefillContextMs: service.prefillContextMs * prefill.factor,
        decodeMsPerToken: service.decodeMsPerToken * decode.factor,
        decodeContextMs: service.decodeContextMs * decode.factor,
      },
      facts: known.facts,
      memoryBytes: known.memoryBytes,
      quality,
    });
  }
  return { models: world, budgetBytes: machine.budgetBytes };
}
