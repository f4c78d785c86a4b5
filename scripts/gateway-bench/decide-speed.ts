import { readFileSync } from 'node:fs';
import { classify } from '../../src/classify/classify.ts';
import { guessFacts } from '../../src/classify/linear/guess-facts.ts';
import { decodeWeights } from '../../src/classify/linear/weights-file.ts';
import { MODEL_CLASSES, type ModelClass } from '../../src/core/classes.ts';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { type ModelId, modelId } from '../../src/core/ids.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { Figure } from '../../src/core/profile.ts';
import type { RequestFacts } from '../../src/core/request.ts';
import type { LaneEntry, ModelView, Snapshot } from '../../src/core/snapshot.ts';
import { percentileSorted } from '../../src/core/stats.ts';
import { decodeChat } from '../../src/dialects/openai/decode.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { decide } from '../../src/route/decide.ts';
import { shippedWeightsFile } from '../../src/transport/classifier-weights.ts';
import { chatBody } from './check-target.ts';
import { benchPolicy } from './gateway-files.ts';

/** Time of one classify and decide, in this process. */
export type DecideFigures = {
  readonly models: number;
  readonly n: number;
  readonly p50Us: number;
  readonly p99Us: number;
};

/**
 * Times the classifier's guess, `classify` and `decide` together on the benchmark's policy with measured figures for all twelve models, over
 * requests of several shapes in turn. The first tenth is not counted. The bytes are decoded before.
 */
export function measureDecide(clock: Clock, quick: boolean): DecideFigures {
  const policy = parsePolicy(benchPolicy('/nowhere/upstream', '/nowhere/tiny.gguf'), '/nowhere/bench-policy.yaml');
  const snapshot = readySnapshot(policy);
  const requests = requestShapes();
  const { model } = decodeWeights(readFileSync(shippedWeightsFile()), shippedWeightsFile());
  const n = quick ? 5000 : 50_000;
  const times: number[] = [];
  for (let index = -n / 10; index < n; index += 1) {
    const facts = requests[(index + n) % requests.length];
    if (facts === undefined) continue;
    const startMs = clock.monotonicMs();
    const guess = guessFacts(model, facts);
    const classified = classify({ ...facts, guess }, policy, policy.clients[0]);
    const decision = classified.kind === 'ok' ? decide(classified.workload, snapshot, policy) : undefined;
    const elapsedUs = (clock.monotonicMs() - startMs) * 1000;
    if (decision?.kind !== 'chosen') throw new GatewayError('no_usable_model', `nothing was chosen for ${facts.model}`);
    if (index >= 0) times.push(elapsedUs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => percentileSorted(times, share) ?? Number.NaN;
  return { models: policy.models.size, n: times.length, p50Us: at(0.5), p99Us: at(0.99) };
}

function requestShapes(): readonly RequestFacts[] {
  const tool = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } };
  const long = 'Explain what this function does and how it could fail. '.repeat(200);
  const bodies = [
    chatBody(),
    chatBody({ stream: true, max_tokens: 400 }),
    chatBody({ model: 'auto:quality', temperature: 0 }),
    chatBody({ max_tokens: 16 }),
    chatBody({ tools: [tool] }),
    chatBody({ response_format: { type: 'json_object' } }),
    chatBody({ messages: [{ role: 'user', content: long }] }),
    chatBody({ model: 'size-7' }),
  ];
  return bodies.map((body) => decodeChat(Buffer.from(body), () => undefined).facts);
}

/**
 * Half of the models loaded, batch work running and twenty requests waiting, all figures measured: every term of the
 * prediction is computed, evictions and interruptions included.
 */
function readySnapshot(policy: Policy): Snapshot {
  const models = [...policy.models.values()];
  const nowMs = Date.UTC(2026, 0, 1);
  const waiting = Array.from({ length: 20 }, (_, index) =>
    laneEntry(models, { index, nowMs, modelClass: MODEL_CLASSES[index % MODEL_CLASSES.length] ?? 'batch' }),
  );
  const running = [{ ...laneEntry(models, { index: 0, nowMs, modelClass: 'batch' }), preemptible: PREEMPTIBLE }];
  return {
    nowMs,
    models: new Map(models.map(({ id }, index) => [id, readyView(index)])),
    lanes: new Map([['cpu', { device: 'cpu', lanes: 1, running, waiting }]]),
    memory: { budgetBytes: 7e9, pinnedBytes: 0, evictableBytes: 3e9 },
    windows: new Map(),
    knowledge: NO_KNOWLEDGE,
    recentSwaps: 0,
  };
}

const PREEMPTIBLE = { by: ['route', 'interactive', 'quality'] as const, cancelMs: 500 };

function laneEntry(
  models: readonly { readonly id: ModelId }[],
  at: { readonly index: number; readonly nowMs: number; readonly modelClass: ModelClass },
): LaneEntry {
  return {
    class: at.modelClass,
    model: models[at.index % models.length]?.id ?? modelId('none'),
    arrivedMs: at.nowMs - 100 * at.index,
    deadlineMs: at.modelClass === 'batch' ? Number.POSITIVE_INFINITY : at.nowMs + 1000 * at.index,
    remainingMs: 1000,
  };
}

function readyView(index: number): ModelView {
  const figure = (value: number): Figure => ({ value, provenance: 'measured', n: 5, source: 'benchmark snapshot' });
  const size = index + 1;
  return {
    availability: { kind: 'available' },
    facts: {
      weightsBytes: size * 3e8,
      parametersBillion: size,
      quantization: 'Q4_K_M',
      architecture: 'llama',
      trainedContext: 32_768,
      contextTokens: 4096,
      estimatedMemoryBytes: size * 4e8,
      capabilities: {
        streaming: true,
        tools: true,
        vision: false,
        audio: false,
        jsonSchema: true,
        logprobs: true,
        generation: true,
        completions: true,
        embeddings: false,
        rerank: false,
        thinking: false,
      },
    },
    profile: {
      prefillTokensPerSec: figure(600 / size),
      prefillFixedMs: figure(20),
      decodeTokensPerSec: figure(60 / size),
      loadMs: figure(500 * size),
      peakMemoryBytes: figure(size * 5e8),
      charsPerToken: figure(4),
      templateTokens: figure(8),
    },
    residency: index % 2 === 0 ? { kind: 'ready' } : { kind: 'stopped' },
    running: 0,
    parallel: 1,
    slotWaitMs: 0,
    memoryBytes: size * 5e8,
    memoryBasis: 'measured',
    stale: [],
    quarantined: undefined,
    coRun: [],
    fileWarm: true,
    lastUsedMs: undefined,
    usesPerHour: 0,
  };
}
