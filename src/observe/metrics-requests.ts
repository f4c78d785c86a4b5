import { MODEL_CLASSES } from '../core/classes.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Actual, GatewayEvent, RequestRecord } from '../core/events.ts';
import { createEventMetrics } from './metrics-events.ts';
import { type NumberSeries, type Registry, SERIES_MAX } from './registry.ts';

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

/** Stands in `gen_ai_provider_name`: whose answer it is. */
const PROVIDER = 'sluice';

const GEN_AI_LABELS = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model', 'class'];

/** Adds what one request came to. */
type Observe = (record: RequestRecord) => void;

// The series of one combination of labels are looked up once, and then only added to: requests are much alike.
function createFinishedMetrics(registry: Registry): Observe {
  const makers = [
    outcomeMetrics(registry),
    timeMetrics(registry),
    tokenMetrics(registry),
    targetMetrics(registry),
    ratioMetrics(registry),
  ];
  const known = new Map<string, readonly Observe[]>();
  return (record) => {
    const { outcome, operation = 'chat', model = NO_MODEL } = record;
    const code = codeOf(outcome);
    const key = `${record.class}\0${model}\0${record.client}\0${outcome.kind}\0${code}\0${operation}`;
    let observers = known.get(key);
    if (observers === undefined) {
      // Forgotten ones are looked up again; their series stay.
      if (known.size >= SERIES_MAX) known.clear();
      const labels = { class: record.class, model, client: record.client, outcome: outcome.kind, code, operation };
      observers = makers.flatMap((make) => make(labels) ?? []);
      known.set(key, observers);
    }
    for (const observe of observers) observe(record);
  };
}

type RequestLabels = {
  readonly class: string;
  readonly model: string;
  readonly client: string;
  readonly outcome: RequestRecord['outcome']['kind'];
  readonly code: string;
  readonly operation: string;
};

/** Binds the series of one combination; undefined where there is nothing to add for it. */
type Bind = (labels: RequestLabels) => Observe | undefined;

const codeOf = (outcome: RequestRecord['outcome']): string => ('code' in outcome ? outcome.code : '');

/** A series that comes into being with its first value, so that what never happened is not shown as zero times. */
function lazily<Series>(make: () => Series): () => Series {
  let made: Series | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function outcomeMetrics(registry: Registry): Bind {
  const requests = registry.counter({
    name: 'sluice_requests_total',
    help: 'Requests that were classified, by how they ended; code is the error code of those refused or failed.',
    labels: ['class', 'model', 'client', 'outcome', 'code'],
  });
  const degraded = registry.counter({
    name: 'sluice_requests_degraded_total',
    help: 'Requests sent to a model that was predicted to miss their target, because every model was.',
    labels: ['class', 'model'],
  });
  return ({ class: modelClass, model, client, outcome, code }) => {
    const ended = requests.of(modelClass, model, client, outcome, code);
    const worse = lazily(() => degraded.of(modelClass, model));
    return (record) => {
      ended.value += 1;
      if (record.degraded) worse().value += 1;
    };
  };
}

function timeMetrics(registry: Registry): Bind {
  const duration = registry.histogram({
    name: 'gen_ai_server_request_duration_seconds',
    help: 'Time from arrival to the last byte of the answer.',
    labels: [...GEN_AI_LABELS, 'error_type'],
    bounds: REQUEST_BOUNDS,
  });
  const firstToken = registry.histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'Time from arrival to the first part of the answer, of requests that were answered.',
    labels: GEN_AI_LABELS,
    bounds: FIRST_TOKEN_BOUNDS,
  });
  const perToken = registry.histogram({
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Time per output token after the first, of requests that were answered.',
    labels: GEN_AI_LABELS,
    bounds: TOKEN_TIME_BOUNDS,
  });
  const queue = registry.histogram({
    name: 'sluice_queue_seconds',
    help: 'Time requests waited for a lane of their device.',
    labels: ['class', 'model'],
    bounds: WAIT_BOUNDS,
  });
  const load = registry.histogram({
    name: 'sluice_load_seconds',
    help: 'Time requests waited for their model to load, of those that had to.',
    labels: ['class', 'model'],
    bounds: WAIT_BOUNDS,
  });
  return ({ class: modelClass, model, outcome, code, operation }) => {
    if (model === NO_MODEL) return undefined;
    const labels = [operation, PROVIDER, model, modelClass];
    const whole = lazily(() => duration.of(...labels, outcome === 'cancelled' ? 'cancelled' : code));
    const first = lazily(() => firstToken.of(...labels));
    const each = lazily(() => perToken.of(...labels));
    const waited = lazily(() => queue.of(modelClass, model));
    const loaded = lazily(() => load.of(modelClass, model));
    return ({ actual }) => {
      const { e2eMs, queueMs, loadMs = 0, ttftMs } = actual;
      if (e2eMs !== undefined) whole().observe(e2eMs / 1000);
      if (queueMs !== undefined) waited().observe(queueMs / 1000);
      if (loadMs > 0) loaded().observe(loadMs / 1000);
      if (outcome !== 'ok') return;
      if (ttftMs !== undefined) first().observe(ttftMs / 1000);
      const tokenMs = msPerToken(actual);
      if (tokenMs !== undefined) each().observe(tokenMs / 1000);
    };
  };
}

function tokenMetrics(registry: Registry): Bind {
  const usage = registry.histogram({
    name: 'gen_ai_client_token_usage',
    help: 'Tokens of a request (gen_ai_token_type input) and of its answer (output).',
    labels: [...GEN_AI_LABELS, 'gen_ai_token_type'],
    bounds: TOKEN_BOUNDS,
  });
  const byClient = registry.counter({
    name: 'sluice_client_tokens_total',
    help: 'Tokens clients have used: input (those found in a cache included), cached, output.',
    labels: ['client', 'type'],
  });
  const observeWork = workMetrics(registry);
  return (of) => {
    if (of.model === NO_MODEL) return undefined;
    const labels = [of.operation, PROVIDER, of.model, of.class];
    const [input, output] = ['input', 'output'].map((type) => lazily(() => usage.of(...labels, type)));
    const [used, cached, written] = ['input', 'cached', 'output'].map((type) =>
      lazily(() => byClient.of(of.client, type)),
    );
    const add = (counter: (() => NumberSeries) | undefined, tokens: number) => {
      if (counter !== undefined) counter().value += tokens;
    };
    const work = observeWork(of.model);
    return ({ actual }) => {
      const { promptTokens, cachedTokens = 0, outputTokens } = actual;
      if (promptTokens !== undefined) {
        input?.().observe(promptTokens);
        add(used, promptTokens);
        if (cachedTokens > 0) add(cached, cachedTokens);
      }
      if (outputTokens !== undefined) {
        output?.().observe(outputTokens);
        add(written, outputTokens);
      }
      work(actual);
    };
  };
}

/** What engines have done and in what time: of the same runs, so that their rates divide to a speed. */
function workMetrics(registry: Registry): (model: string) => (actual: Actual) => void {
  const counter = (name: string, help: string) => registry.counter({ name, help, labels: ['model'] });
  const prefilled = counter(
    'sluice_prefill_tokens_total',
    'Prompt tokens engines have read, without those found in a cache.',
  );
  const prefillTime = counter('sluice_prefill_seconds_total', 'Time engines have spent on reading prompts.');
  const decoded = counter(
    'sluice_decode_tokens_total',
    'Tokens engines have written, without the first of each answer, which comes out of the prefill.',
  );
  const decodeTime = counter('sluice_decode_seconds_total', 'Time engines have spent on writing.');
  return (model) => {
    const read = lazily(() => [prefilled.of(model), prefillTime.of(model)] as const);
    const wrote = lazily(() => [decoded.of(model), decodeTime.of(model)] as const);
    return ({ promptTokens, cachedTokens = 0, outputTokens, prefillMs, decodeMs }) => {
      if (promptTokens !== undefined && prefillMs !== undefined) {
        const [tokens, seconds] = read();
        tokens.value += Math.max(0, promptTokens - cachedTokens);
        seconds.value += prefillMs / 1000;
      }
      if (outputTokens !== undefined && decodeMs !== undefined) {
        const [tokens, seconds] = wrote();
        tokens.value += Math.max(0, outputTokens - 1);
        seconds.value += decodeMs / 1000;
      }
    };
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

function targetMetrics(registry: Registry): Bind {
  const targets = registry.counter({
    name: 'sluice_slo_requests_total',
    help: 'Requests with a latency target (ttft or e2e) by whether it was met; one that got no answer missed it.',
    labels: ['class', 'target', 'result'],
  });
  // There from the start: a rate sees nothing of a series that comes into being with its first value.
  for (const name of MODEL_CLASSES) {
    for (const target of ['ttft', 'e2e']) for (const result of ['met', 'missed']) targets.of(name, target, result);
  }
  return ({ class: modelClass }) => {
    const count = (target: 'ttft' | 'e2e') => {
      const met = targets.of(modelClass, target, 'met');
      const missed = targets.of(modelClass, target, 'missed');
      return (outcome: RequestRecord['outcome'], limitMs: number | undefined, tookMs: number | undefined) => {
        const isMet = limitMs === undefined ? undefined : targetMet(outcome, limitMs, tookMs);
        if (isMet !== undefined) (isMet ? met : missed).value += 1;
      };
    };
    const [ttft, e2e] = [count('ttft'), count('e2e')];
    return ({ outcome, slo, actual }) => {
      ttft(outcome, slo?.ttftMs, actual.ttftMs);
      e2e(outcome, slo?.e2eMs, actual.e2eMs);
    };
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

function ratioMetrics(registry: Registry): Bind {
  const ratios = registry.histogram({
    name: 'sluice_prediction_ratio',
    help: 'Actual over predicted time. ttft_promise, e2e_promise: at most 1 where the promise held; e2e_expected: 1 where it was right.',
    labels: ['model', 'figure'],
    bounds: RATIO_BOUNDS,
  });
  return ({ model, outcome }) => {
    if (model === NO_MODEL || outcome !== 'ok') return undefined;
    const ratio = (figure: string) => {
      const series = lazily(() => ratios.of(model, figure));
      return (predictedMs: number, actualMs: number | undefined) => {
        if (actualMs !== undefined && predictedMs > 0) series().observe(actualMs / predictedMs);
      };
    };
    const [firstPromise, promise, expected] = [ratio('ttft_promise'), ratio('e2e_promise'), ratio('e2e_expected')];
    return ({ predicted, actual }) => {
      // A promise was for one attempt without interruption.
      if (predicted === undefined || (actual.attempts ?? 1) > 1 || (actual.preempted ?? 0) > 0) return;
      firstPromise(predicted.ttftMs, actual.ttftMs);
      promise(predicted.e2eMs, actual.e2eMs);
      expected(predicted.e2eMedianMs, actual.e2eMs);
    };
  };
}

/** ms per output token after the first; undefined where there were fewer than two, or the engine kept no time. */
function msPerToken({ outputTokens, decodeMs }: Actual): number | undefined {
  if (outputTokens === undefined || outputTokens < 2 || decodeMs === undefined) return undefined;
  return decodeMs / (outputTokens - 1);
}
