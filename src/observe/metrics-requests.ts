import { Counter, Histogram, type Registry } from 'prom-client';
import type { ErrorCode } from '../core/errors.ts';
import type { Actual, GatewayEvent, RequestRecord } from '../core/events.ts';

/**
 * Instruments that count what happens, fed by the event stream: some dozen additions when a request has ended and
 * nothing per token. Labels come from closed lists (classes, outcomes, error codes) and from the policy (models, clients),
 * so that the number of series is bounded by the policy. The four `gen_ai_*` histograms are OpenTelemetry's semantic
 * conventions for generative AI under the names their Prometheus exporters give them.
 */
export function createRequestMetrics(registry: Registry): (event: GatewayEvent) => void {
  const observeRequest = createFinishedMetrics(registry);
  const observeOther = createEventMetrics(registry);
  return (event) => {
    if (event.kind === 'request.finished') observeRequest(event.record);
    else if (event.kind !== 'child.log') observeOther(event);
  };
}

// The conventions advise bounds up to 10 s for the first token and 82 s for a request; a board needs minutes for both.
const FIRST_TOKEN_BOUNDS = [0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 320];
const REQUEST_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280];
const TOKEN_TIME_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const TOKEN_BOUNDS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144];
const WAIT_BOUNDS = [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
const RATIO_BOUNDS = [0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10];

/** Stands in `model` where no model was chosen. */
const NO_MODEL = 'none';

const GEN_AI_LABELS = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model', 'class'] as const;

function createFinishedMetrics(registry: Registry): (record: RequestRecord) => void {
  const requests = new Counter({
    name: 'sluice_requests_total',
    help: 'Requests that were classified, by how they ended; code is the error code of those refused or failed.',
    labelNames: ['class', 'model', 'client', 'outcome', 'code'] as const,
    registers: [registry],
  });
  const degraded = new Counter({
    name: 'sluice_requests_degraded_total',
    help: 'Requests sent to a model that was predicted to miss their target, because every model was.',
    labelNames: ['class', 'model'] as const,
    registers: [registry],
  });
  const observeTimes = createTimeMetrics(registry);
  const observeTokens = createTokenMetrics(registry);
  const observeTargets = createTargetMetrics(registry);
  const observeRatios = createRatioMetrics(registry);
  return (record) => {
    const { outcome, client } = record;
    const model = record.model ?? NO_MODEL;
    const code = 'code' in outcome ? outcome.code : '';
    requests.inc({ class: record.class, model, client, outcome: outcome.kind, code });
    if (record.degraded) degraded.inc({ class: record.class, model });
    observeTargets(record);
    if (record.model === undefined) return;
    observeTimes(record, model);
    observeTokens(record, model);
    if (outcome.kind === 'ok') observeRatios(record, model);
  };
}

function createTimeMetrics(registry: Registry): (record: RequestRecord, model: string) => void {
  const registers = [registry];
  const duration = new Histogram({
    name: 'gen_ai_server_request_duration_seconds',
    help: 'Time from arrival to the last byte of the answer.',
    labelNames: [...GEN_AI_LABELS, 'error_type'],
    buckets: REQUEST_BOUNDS,
    registers,
  });
  const firstToken = new Histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'Time from arrival to the first part of the answer, of requests that were answered.',
    labelNames: GEN_AI_LABELS,
    buckets: FIRST_TOKEN_BOUNDS,
    registers,
  });
  const perToken = new Histogram({
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Time per output token after the first, of requests that were answered.',
    labelNames: GEN_AI_LABELS,
    buckets: TOKEN_TIME_BOUNDS,
    registers,
  });
  const queue = new Histogram({
    name: 'sluice_queue_seconds',
    help: 'Time requests waited for a lane of their device.',
    labelNames: ['class', 'model'] as const,
    buckets: WAIT_BOUNDS,
    registers,
  });
  const load = new Histogram({
    name: 'sluice_load_seconds',
    help: 'Time requests waited for their model to load, of those that had to.',
    labelNames: ['class', 'model'] as const,
    buckets: WAIT_BOUNDS,
    registers,
  });
  return (record, model) => {
    const { actual, outcome } = record;
    const labels = genAiLabels(record, model);
    if (actual.e2eMs !== undefined) {
      duration.observe({ ...labels, error_type: errorType(outcome) }, actual.e2eMs / 1000);
    }
    const own = { class: record.class, model };
    const { queueMs, loadMs = 0 } = actual;
    if (queueMs !== undefined) queue.observe(own, queueMs / 1000);
    if (loadMs > 0) load.observe(own, loadMs / 1000);
    if (outcome.kind !== 'ok') return;
    if (actual.ttftMs !== undefined) firstToken.observe(labels, actual.ttftMs / 1000);
    const tokenMs = msPerToken(actual);
    if (tokenMs !== undefined) perToken.observe(labels, tokenMs / 1000);
  };
}

function createTokenMetrics(registry: Registry): (record: RequestRecord, model: string) => void {
  const registers = [registry];
  const usage = new Histogram({
    name: 'gen_ai_client_token_usage',
    help: 'Tokens of a request (gen_ai_token_type input) and of its answer (output).',
    labelNames: [...GEN_AI_LABELS, 'gen_ai_token_type'],
    buckets: TOKEN_BOUNDS,
    registers,
  });
  const byClient = new Counter({
    name: 'sluice_client_tokens_total',
    help: 'Tokens clients have used: input (those found in a cache included), cached, output.',
    labelNames: ['client', 'type'] as const,
    registers,
  });
  const prefilled = new Counter({
    name: 'sluice_prefill_tokens_total',
    help: 'Prompt tokens engines have read, without those found in a cache.',
    labelNames: ['model'] as const,
    registers,
  });
  const prefillTime = new Counter({
    name: 'sluice_prefill_seconds_total',
    help: 'Time engines have spent on reading prompts.',
    labelNames: ['model'] as const,
    registers,
  });
  const decoded = new Counter({
    name: 'sluice_decode_tokens_total',
    help: 'Tokens engines have written, without the first of each answer, which comes out of the prefill.',
    labelNames: ['model'] as const,
    registers,
  });
  const decodeTime = new Counter({
    name: 'sluice_decode_seconds_total',
    help: 'Time engines have spent on writing.',
    labelNames: ['model'] as const,
    registers,
  });
  return (record, model) => {
    const { promptTokens, cachedTokens = 0, outputTokens, prefillMs, decodeMs } = record.actual;
    const labels = genAiLabels(record, model);
    const { client } = record;
    if (promptTokens !== undefined) {
      usage.observe({ ...labels, gen_ai_token_type: 'input' }, promptTokens);
      byClient.inc({ client, type: 'input' }, promptTokens);
      if (cachedTokens > 0) byClient.inc({ client, type: 'cached' }, cachedTokens);
    }
    if (outputTokens !== undefined) {
      usage.observe({ ...labels, gen_ai_token_type: 'output' }, outputTokens);
      byClient.inc({ client, type: 'output' }, outputTokens);
    }
    // Tokens and time of the same runs, so that their rates divide to a speed.
    if (promptTokens !== undefined && prefillMs !== undefined) {
      prefilled.inc({ model }, Math.max(0, promptTokens - cachedTokens));
      prefillTime.inc({ model }, prefillMs / 1000);
    }
    if (outputTokens !== undefined && decodeMs !== undefined) {
      decoded.inc({ model }, Math.max(0, outputTokens - 1));
      decodeTime.inc({ model }, decodeMs / 1000);
    }
  };
}

/** What a client asked for wrongly says nothing of how well it is served. */
const CLIENTS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'model_not_found',
  'payload_too_large',
  'context_length_exceeded',
  'unsupported_feature',
  'rate_limited',
  'runtime_rejected',
]);

function createTargetMetrics(registry: Registry): (record: RequestRecord) => void {
  const targets = new Counter({
    name: 'sluice_slo_requests_total',
    help: 'Requests with a latency target (ttft or e2e) by whether it was met; one that got no answer missed it.',
    labelNames: ['class', 'target', 'result'] as const,
    registers: [registry],
  });
  return ({ class: modelClass, slo, actual, outcome }) => {
    const count = (target: 'ttft' | 'e2e', limitMs: number | undefined, tookMs: number | undefined) => {
      if (limitMs === undefined) return;
      const met = targetMet(outcome, limitMs, tookMs);
      if (met !== undefined) targets.inc({ class: modelClass, target, result: met ? 'met' : 'missed' });
    };
    count('ttft', slo?.ttftMs, actual.ttftMs);
    count('e2e', slo?.e2eMs, actual.e2eMs);
  };
}

function targetMet(
  outcome: RequestRecord['outcome'],
  limitMs: number,
  tookMs: number | undefined,
): boolean | undefined {
  switch (outcome.kind) {
    case 'ok':
      return tookMs === undefined ? undefined : tookMs <= limitMs;
    // Whoever leaves in time has not been kept waiting too long; whoever leaves after it may have left because of it.
    case 'cancelled':
      return tookMs === undefined || tookMs <= limitMs ? undefined : false;
    case 'failed':
    case 'refused':
      return CLIENTS_FAULT.has(outcome.code) ? undefined : false;
  }
}

function createRatioMetrics(registry: Registry): (record: RequestRecord, model: string) => void {
  const ratios = new Histogram({
    name: 'sluice_prediction_ratio',
    help: 'Actual over predicted time. ttft_promise, e2e_promise: at most 1 where the promise held; e2e_expected: 1 where it was right.',
    labelNames: ['model', 'figure'] as const,
    buckets: RATIO_BOUNDS,
    registers: [registry],
  });
  return ({ predicted, actual }, model) => {
    // A promise was for one attempt without interruption.
    if (predicted === undefined || (actual.attempts ?? 1) > 1 || (actual.preempted ?? 0) > 0) return;
    const observe = (figure: string, predictedMs: number, actualMs: number | undefined) => {
      if (actualMs !== undefined && predictedMs > 0) ratios.observe({ model, figure }, actualMs / predictedMs);
    };
    observe('ttft_promise', predicted.ttftMs, actual.ttftMs);
    observe('e2e_promise', predicted.e2eMs, actual.e2eMs);
    observe('e2e_expected', predicted.e2eMedianMs, actual.e2eMs);
  };
}

type OtherEvent = Exclude<GatewayEvent, { kind: 'request.finished' | 'child.log' }>;

function createEventMetrics(registry: Registry): (event: OtherEvent) => void {
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const rejected = counter('sluice_requests_rejected_total', 'Requests refused before they were classified.', ['code']);
  const retried = counter('sluice_requests_retried_total', 'Runs that failed and were tried on another model.', [
    'model',
  ]);
  const preempted = counter('sluice_requests_preempted_total', 'Runs that made way for more urgent work (by).', [
    'model',
    'by',
  ]);
  const looped = counter('sluice_requests_looped_total', 'Answers broken off because they repeated themselves.', [
    'model',
  ]);
  const failures = counter('sluice_child_failures_total', 'Children that crashed or could not be started.', ['model']);
  const evicted = counter('sluice_child_evictions_total', 'Models unloaded to make room for another.', ['model']);
  const policies = counter('sluice_policy_changes_total', 'Policy files read: loaded, or rejected as invalid.', [
    'result',
  ]);
  const notices = counter('sluice_notices_total', 'Messages to the operator, by level.', ['level']);
  return (event) => {
    switch (event.kind) {
      case 'request.rejected':
        return rejected.inc({ code: event.code });
      case 'request.retried':
        return retried.inc({ model: event.from });
      case 'request.preempted':
        return preempted.inc({ model: event.model, by: event.by });
      case 'request.looped':
        return looped.inc({ model: event.model });
      case 'child.state':
        if (event.to === 'backoff' || event.to === 'failed') failures.inc({ model: event.model });
        return;
      case 'child.evicted':
        return evicted.inc({ model: event.model });
      case 'policy.loaded':
        return policies.inc({ result: 'loaded' });
      case 'policy.rejected':
        return policies.inc({ result: 'rejected' });
      case 'gateway.notice':
        return notices.inc({ level: event.level });
    }
  };
}

const genAiLabels = ({ operation, class: modelClass }: RequestRecord, model: string) => ({
  gen_ai_operation_name: operation ?? 'chat',
  gen_ai_provider_name: 'sluice',
  gen_ai_request_model: model,
  class: modelClass,
});

function errorType(outcome: RequestRecord['outcome']): string {
  if (outcome.kind === 'ok') return '';
  return outcome.kind === 'cancelled' ? 'cancelled' : outcome.code;
}

/** ms per output token after the first; undefined where there were fewer than two, or the engine kept no time. */
function msPerToken({ outputTokens, decodeMs }: Actual): number | undefined {
  if (outputTokens === undefined || outputTokens < 2 || decodeMs === undefined) return undefined;
  return decodeMs / (outputTokens - 1);
}
