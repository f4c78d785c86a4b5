import type { Prediction } from '../core/decision.ts';
import type { Actual } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { ServeJob } from './job.ts';

/**
 * The `x_router` object of a reply, as JSON text: what was chosen, what was predicted and what it came to.
 * Times in ms rounded to 0.1; figures that are not known are left out.
 */
export function encodeXRouter(
  job: ServeJob,
  served: {
    readonly model: ModelId;
    readonly predicted: Prediction;
    readonly actual: Actual;
    /** Fields of the request that the runtime could not honour. */
    readonly ignored?: readonly string[];
  },
): string {
  const { workload, decision } = job;
  const { model, predicted, actual } = served;
  return JSON.stringify({
    request_id: job.requestId,
    model,
    class: workload.class,
    task: workload.task,
    reason: decision.reason,
    degraded: decision.degraded,
    explored: decision.explored ? true : undefined,
    attempts: actual.attempts,
    ignored: served.ignored,
    predicted: encodePrediction(predicted),
    actual: encodeActual(actual),
  });
}

/** A prediction on the wire. */
export function encodePrediction(predicted: Prediction) {
  return {
    prompt_tokens: Math.round(predicted.promptTokens),
    cached_tokens: predicted.cachedTokens,
    output_tokens: Math.round(predicted.outputTokens),
    wait_ms: tenth(predicted.waitMs),
    load_ms: tenth(predicted.loadMs),
    prefill_ms: tenth(predicted.prefillMs),
    decode_ms: tenth(predicted.decodeMs),
    ttft_ms: tenth(predicted.ttftMs),
    e2e_ms: tenth(predicted.e2eMs),
    e2e_median_ms: tenth(predicted.e2eMedianMs),
    quantile: predicted.quantile,
    basis: predicted.basis,
  };
}

/** What a request came to, on the wire. */
export function encodeActual(actual: Actual) {
  return {
    queue_ms: tenth(actual.queueMs),
    load_ms: tenth(actual.loadMs),
    ttft_ms: tenth(actual.ttftMs),
    e2e_ms: tenth(actual.e2eMs),
    preempted: actual.preempted,
    lost_ms: tenth(actual.lostMs),
    paused_ms: tenth(actual.pausedMs),
    prompt_tokens: actual.promptTokens,
    cached_tokens: actual.cachedTokens,
    output_tokens: actual.outputTokens,
    prefill_ms: tenth(actual.prefillMs),
    decode_ms: tenth(actual.decodeMs),
    prefill_tokens_per_sec: perSec(
      actual.promptTokens === undefined ? undefined : actual.promptTokens - (actual.cachedTokens ?? 0),
      actual.prefillMs,
    ),
    // The first token comes out of the prefill: its time is not in the engine's decode time.
    decode_tokens_per_sec: perSec(
      actual.outputTokens === undefined ? undefined : actual.outputTokens - 1,
      actual.decodeMs,
    ),
  };
}

function tenth(value: number): number;
function tenth(value: number | undefined): number | undefined;
function tenth(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 10) / 10;
}

function perSec(tokens: number | undefined, ms: number | undefined): number | undefined {
  return tokens === undefined || ms === undefined || ms <= 0 ? undefined : tenth((tokens * 1000) / ms);
}
