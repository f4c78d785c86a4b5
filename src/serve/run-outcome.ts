import type { Prediction, Slo, Workload } from '../core/decision.ts';
import { type ErrorCode, GatewayError, messageOf } from '../core/errors.ts';
import type { Actual, Outcome, RequestRecord } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { EngineEnd } from '../dialects/openai/engine-end.ts';
import type { ReleaseKind } from '../supervise/supervisor-types.ts';
import type { ServeJob, ServeParts } from './job.ts';

/** Errors that another candidate may not have: the engine's or the load's fault, not the request's. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'runtime_failed',
  'degenerate_output',
  'start_failed',
  'load_timeout',
  'model_unavailable',
  'runtime_missing',
  'model_file_missing',
  'model_file_invalid',
]);

/** Errors of a generation or a load that was tried; with any other the gateway or the engine refused to try. */
const TRIED: ReadonlySet<ErrorCode> = new Set([
  'runtime_failed',
  'degenerate_output',
  'start_failed',
  'load_timeout',
  'timeout',
]);

// Not the request's fault, or only too long for this model.
const isRetryable = ({ code }: GatewayError): boolean => RETRYABLE.has(code) || code === 'context_length_exceeded';

/** One transparent retry. */
const ATTEMPTS_MAX = 2;

/**
 * The model to try next after an error, once; undefined where it is not to be tried again. One with no more context than
 * a prompt has that was refused as too long need not be asked: `contextOf` is undefined where it is not known.
 */
export function nextCandidate(
  { decision }: Pick<ServeJob, 'decision'>,
  error: GatewayError,
  tried: {
    readonly model: ModelId;
    readonly attempts: number;
    readonly promptTokens: number | undefined;
    readonly contextOf: (model: ModelId) => number | undefined;
  },
): ModelId | undefined {
  if (!isRetryable(error) || tried.attempts >= ATTEMPTS_MAX) return undefined;
  const { promptTokens = 0, contextOf } = tried;
  return decision.fallbacks.find(
    (model) => model !== tried.model && (contextOf(model) ?? Number.POSITIVE_INFINITY) > promptTokens,
  );
}

/** What is said of an engine that ended its stream without having said why. */
export const brokenOff = (model: ModelId): GatewayError =>
  new GatewayError('runtime_failed', `${model} ended its stream before it was finished`);

/** How the child is given back after an error: one that failed is counted, one that was broken off is waited for. */
export function releaseAfter({ code }: GatewayError): ReleaseKind {
  if (code === 'runtime_failed') return 'failed';
  return code === 'degenerate_output' ? 'aborted' : 'ok';
}

/** How a request ended that no candidate could serve. */
export const failedOutcome = ({ code, message }: GatewayError): Outcome => ({
  kind: TRIED.has(code) ? 'failed' : 'refused',
  code,
  message,
});

/**
 * What a generation came to: the engine's own figures beside what the gateway saw. Of one that was paused the engine's
 * times are left out: it counts the pause as work.
 */
export function actualOf(
  { promptTokens, cachedTokens, outputTokens, prefillMs, decodeMs }: EngineEnd,
  seen: Actual & { readonly e2eMs: number },
): Actual {
  return {
    queueMs: micro(seen.queueMs),
    loadMs: micro(seen.loadMs),
    // Without a stream nobody saw the first token; what came before decoding is the closest true figure.
    ttftMs: micro(seen.ttftMs ?? (decodeMs === undefined ? undefined : Math.max(0, seen.e2eMs - decodeMs))),
    e2eMs: micro(seen.e2eMs),
    attempts: seen.attempts,
    preempted: seen.preempted,
    lostMs: seen.lostMs,
    pausedMs: seen.pausedMs,
    promptTokens,
    cachedTokens,
    outputTokens,
    prefillMs: seen.pausedMs === undefined ? prefillMs : undefined,
    decodeMs: seen.pausedMs === undefined ? decodeMs : undefined,
  };
}

// To the microsecond: what a clock gives beyond that is noise, and thirteen digits in every log line and row.
const micro = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.round(ms * 1000) / 1000;

/** True where every target was met; a figure that is not known counts as met. */
export function meets(slo: Slo, actual: Actual): boolean {
  const ttftOk = slo.ttftMs === undefined || actual.ttftMs === undefined || actual.ttftMs <= slo.ttftMs;
  const e2eOk = slo.e2eMs === undefined || actual.e2eMs === undefined || actual.e2eMs <= slo.e2eMs;
  return ttftOk && e2eOk;
}

/**
 * Tells of a run that ended well. Vectors and scores are read and not answered: all of the engine's time is that of a prompt,
 * and nothing of it says how far promises of answers hold.
 */
export function tellOf(
  parts: Pick<ServeParts, 'observe' | 'promptRead'>,
  { needs }: Workload,
  record: RequestRecord,
): void {
  const { model, actual, promptChars, messageCount } = record;
  if (model === undefined || actual.pausedMs !== undefined) return;
  if (needs.embeddings !== true && needs.rerank !== true) {
    parts.observe(model, record);
    return;
  }
  const { promptTokens, e2eMs = 0, queueMs = 0, loadMs = 0 } = actual;
  parts.promptRead(model, { promptTokens, promptChars, messageCount, prefillMs: e2eMs - queueMs - loadMs });
}

/** True for a prompt with images or audio, whose tokens no count of characters tells. */
export const hasMedia = ({ needs }: Workload): boolean => needs.vision === true || needs.audio === true;

/**
 * Share of a prompt, 0..1, that an engine has read when it was stopped after `spentMs` before its first token: it keeps
 * what it has read, and how much that is only the time tells.
 */
export const promptReadAfter = (spentMs: number, prefillMs: number): number =>
  Math.min(1, Math.max(0, spentMs) / Math.max(1, prefillMs));

function operationOf({ needs }: Workload): RequestRecord['operation'] {
  if (needs.embeddings === true) return 'embeddings';
  if (needs.rerank === true) return 'rerank';
  return needs.completions === true ? 'text_completion' : undefined;
}

/** What a run came to, for the log, SQLite and whoever learns from it. */
export function recordOf(
  { requestId, receivedAtMs, client, traceParent, workload, decision, features }: ServeJob,
  seen: Pick<RequestRecord, 'model' | 'predicted' | 'actual' | 'outcome'>,
): RequestRecord {
  return {
    requestId,
    receivedAtMs,
    client,
    class: workload.class,
    task: workload.task,
    reasons: workload.reasons,
    degraded: decision.degraded,
    reason: decision.reason,
    operation: operationOf(workload),
    traceParent,
    slo: workload.slo,
    explored: decision.explored ? true : undefined,
    stream: workload.stream,
    promptChars: workload.promptChars,
    messageCount: workload.messageCount,
    hasMedia: hasMedia(workload),
    candidates: decision.alone === undefined ? decision.candidates : [],
    features,
    model: seen.model,
    predicted: seen.predicted,
    actual: seen.actual,
    outcome: seen.outcome,
  };
}

/** What was predicted for the model that serves, which after a retry is another than the chosen one. */
export function predictedOf({ decision }: Pick<ServeJob, 'decision'>, model: ModelId): Prediction {
  if (model === decision.model) return decision.predicted;
  return decision.candidates.find((candidate) => candidate.model === model)?.predicted ?? decision.predicted;
}

/** Anything thrown as an error with a code. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('runtime_failed', `the request failed inside the gateway: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}
