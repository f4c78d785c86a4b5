/*
 * What metrics cost: the time of one finished request through the counters, of one reading by Prometheus, and of one trace
 * (made by OpenTelemetry's SDK where a collector is named; sending it is not included). A policy of 12 models, 4 classes and
 * 5 clients, every combination of which has been seen: the most series there can be of one.
 *
 *   npx tsx scripts/metrics-cost.ts [--json]
 */
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { MODEL_CLASSES } from '../src/core/classes.ts';
import { systemClock } from '../src/core/clock.ts';
import type { RequestRecord } from '../src/core/events.ts';
import { modelId, requestId } from '../src/core/ids.ts';
import { median } from '../src/core/stats.ts';
import type { GatewayState } from '../src/observe/gateway-state.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { traceRequest } from '../src/observe/otel-traces.ts';

const ROUNDS = 15;
const REQUESTS = 20_000;
const SCRAPES = 20;
const TRACES = 2000;
const MODELS = Array.from({ length: 12 }, (_, at) => modelId(`model-${at}`));
const CLIENTS = ['editor', 'agent', 'bot', 'batch', 'anonymous'];

const records = MODELS.flatMap((model) =>
  MODEL_CLASSES.flatMap((name) => CLIENTS.map((client) => record(model, name, client))),
);
const metrics = createMetrics(state);
const requestUs = [];
for (let round = 0; round < ROUNDS; round += 1)
  requestUs.push(spendUs(REQUESTS, (one) => metrics.observe({ kind: 'request.finished', record: one })));
const scrapeMs = [];
let bytes = 0;
for (let round = 0; round < SCRAPES; round += 1) {
  const startMs = systemClock.monotonicMs();
  bytes = metrics.text().length;
  scrapeMs.push(systemClock.monotonicMs() - startMs);
}
const tracer = new TracerProvider({
  spanProcessors: [
    {
      onStart: () => undefined,
      onEnd: () => undefined,
      forceFlush: async () => undefined,
      shutdown: async () => undefined,
    },
  ],
}).getTracer('metrics-cost');
const traceUs = [];
for (let round = 0; round < ROUNDS; round += 1) traceUs.push(spendUs(TRACES, (one) => traceRequest(tracer, one)));
const found = {
  requestUs: median(requestUs) ?? 0,
  requestUsBest: Math.min(...requestUs),
  scrapeMs: median(scrapeMs) ?? 0,
  traceUs: median(traceUs) ?? 0,
  scrapeBytes: bytes,
};
if (process.argv.includes('--json')) console.log(JSON.stringify(found, null, 2));
else {
  console.log(`a finished request: ${found.requestUs.toFixed(2)} µs (best round ${found.requestUsBest.toFixed(2)} µs)`);
  console.log(
    `a reading of everything: ${found.scrapeMs.toFixed(1)} ms, ${Math.round(bytes / 1000)} KB, sensors not included`,
  );
  console.log(`a trace of it, where a collector is named: ${found.traceUs.toFixed(1)} µs`);
}

function spendUs(requests: number, spend: (one: RequestRecord) => void): number {
  const startMs = systemClock.monotonicMs();
  for (let at = 0; at < requests; at += 1) {
    const one = records[at % records.length];
    if (one !== undefined) spend(one);
  }
  return ((systemClock.monotonicMs() - startMs) * 1000) / requests;
}

function record(model: RequestRecord['model'], name: RequestRecord['class'], client: string): RequestRecord {
  return {
    requestId: requestId('metrics-cost'),
    receivedAtMs: systemClock.nowMs(),
    client,
    class: name,
    task: 'chat',
    reasons: [],
    model,
    degraded: false,
    reason: '',
    slo: { ttftMs: 2000, e2eMs: 20_000, source: 'class' },
    stream: true,
    promptChars: 400,
    messageCount: 2,
    hasMedia: false,
    predicted: undefined,
    candidates: [],
    actual: {
      queueMs: 1,
      loadMs: 0,
      ttftMs: 900,
      e2eMs: 9000,
      promptTokens: 120,
      cachedTokens: 60,
      outputTokens: 40,
      prefillMs: 800,
      decodeMs: 8000,
    },
    outcome: { kind: 'ok', finishReason: 'stop', sloMet: true },
  };
}

function state(): GatewayState {
  return {
    version: '0',
    ready: true,
    draining: false,
    policyValid: true,
    policyRevision: 'abc',
    requestsActive: 0,
    lanes: [{ device: 'cpu', lanes: 1, running: 0, waiting: { route: 0, interactive: 0, quality: 0, batch: 0 } }],
    queueDepthMax: 64,
    memory: { budgetBytes: 1, pinnedBytes: 0, evictableBytes: 0 },
    models: MODELS.map((model) => ({
      ...{ model, device: 'cpu', available: true, residency: 'ready' as const, restarts: 0, running: 0, slots: 1 },
      ...{ rssBytes: 1, cpuSeconds: 1, stale: false, quarantined: false },
    })),
    batches: { running: 0, paused: 0, items: { open: 0, done: 0, failed: 0 } },
    clients: CLIENTS.map((client) => ({ client, running: 0, tokensToday: 0, dailyTokens: undefined })),
    machine: { temperatures: [], cooling: [], npu: [], cpuHertz: [], memoryAvailableBytes: undefined },
    process: { rssBytes: 1, cpuSeconds: 1, startedAtMs: 0, openFiles: undefined },
  };
}
