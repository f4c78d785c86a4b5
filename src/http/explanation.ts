import type { Candidate, Decision, Prediction, Workload } from '../core/decision.ts';
import type { Outcome, RequestRecord } from '../core/events.ts';
import type { Figure } from '../core/profile.ts';
import type { ModelView, Snapshot } from '../core/snapshot.ts';
import { encodeActual, encodePrediction } from '../serve/x-router.ts';
import { wireName } from './snake-case.ts';

/**
 * Answer of `POST /router/explain`: what would be chosen and why everyone else would not, each with the figures its
 * prediction stands on.
 */
export function encodeExplanation(workload: Workload, decision: Decision, snapshot: Snapshot) {
  const predicted =
    decision.kind === 'chosen' ? decision.predicted : decision.candidates.find((c) => c.predicted)?.predicted;
  return {
    class: workload.class,
    task: workload.task,
    reasons: workload.reasons,
    tokens: {
      prompt: predicted === undefined ? null : Math.round(predicted.promptTokens),
      prompt_basis: predicted?.promptTokensBasis ?? null,
      cached: predicted === undefined ? null : Math.round(predicted.cachedTokens),
      output: predicted === undefined ? null : Math.round(predicted.outputTokens),
      output_median: predicted === undefined ? null : Math.round(predicted.outputTokensMedian),
      output_basis: predicted?.outputTokensBasis ?? null,
      max: workload.outputTokensMax ?? null,
    },
    slo: {
      ttft_ms: workload.slo.ttftMs ?? null,
      e2e_ms: workload.slo.e2eMs ?? null,
      min_quality: workload.minQuality,
      source: workload.slo.source,
    },
    chosen:
      decision.kind === 'chosen'
        ? {
            model: decision.model,
            device: decision.device,
            reason: decision.reason,
            predicted: encodePrediction(decision.predicted),
          }
        : null,
    refusal: decision.kind === 'refused' ? decision.refusal : undefined,
    candidates: decision.candidates.map((candidate) => ({
      ...encodeCandidate(candidate),
      ...encodeGround(snapshot.models.get(candidate.model), snapshot.nowMs),
    })),
    degraded: decision.kind === 'chosen' && decision.degraded,
    explored: decision.kind === 'chosen' && decision.explored,
  };
}

/** One finished request, as `/router/decisions` and `/router/events` show it. */
export function encodeRecord(record: RequestRecord) {
  return {
    request_id: record.requestId,
    received_at: new Date(record.receivedAtMs).toISOString(),
    client: record.client,
    class: record.class,
    task: record.task,
    reasons: record.reasons,
    model: record.model ?? null,
    reason: record.reason,
    slo:
      record.slo === undefined
        ? null
        : { ttft_ms: record.slo.ttftMs ?? null, e2e_ms: record.slo.e2eMs ?? null, source: record.slo.source },
    degraded: record.degraded,
    explored: record.explored === true,
    stream: record.stream,
    outcome: encodeOutcome(record.outcome),
    predicted: record.predicted === undefined ? null : encodeWholePrediction(record.predicted),
    actual: encodeActual(record.actual),
    error: encodeError(record),
    candidates: record.candidates.map(encodeCandidate),
  };
}

function encodeOutcome(outcome: Outcome) {
  if (outcome.kind !== 'ok') return outcome;
  return { kind: outcome.kind, finish_reason: outcome.finishReason, slo_met: outcome.sloMet };
}

function encodeCandidate(candidate: Candidate) {
  const { predicted, utility } = candidate;
  return {
    model: candidate.model,
    device: candidate.device,
    quality: candidate.quality,
    utility: utility === undefined ? null : thousandth(utility),
    feasible: candidate.feasible,
    reason: candidate.reason,
    predicted: predicted === undefined ? null : encodeWholePrediction(predicted),
  };
}

/** A prediction with what it was corrected by: for people, not for every reply. */
function encodeWholePrediction(predicted: Prediction) {
  const { calibration, coRun } = predicted;
  return {
    ...encodePrediction(predicted),
    output_tokens_median: Math.round(predicted.outputTokensMedian),
    prompt_tokens_basis: predicted.promptTokensBasis,
    output_tokens_basis: predicted.outputTokensBasis,
    // 1 = as benchmarked, 2 = twice as slow; n = runs it was learned from.
    calibration: {
      prefill: thousandth(calibration.prefill),
      decode: thousandth(calibration.decode),
      n: calibration.n,
    },
    // Margin by which the promise was raised so that it holds as often as it says.
    margin: {
      ttft: ratio(predicted.ttftMs, predicted.uncorrectedTtftMs),
      e2e: ratio(predicted.e2eMs, predicted.uncorrectedE2eMs),
    },
    co_run: coRun,
    drift: calibration.drift,
  };
}

const thousandth = (value: number): number => Math.round(value * 1000) / 1000;
const ratio = (promisedMs: number, uncorrectedMs: number): number =>
  uncorrectedMs > 0 ? thousandth(promisedMs / uncorrectedMs) : 1;

/** What is known of a model's profile, figure by figure: what a candidate's prediction stands on. */
function encodeGround(view: ModelView | undefined, nowMs: number) {
  return {
    profile: Object.fromEntries(
      Object.entries(view?.profile ?? {}).map(([metric, figure]) => [wireName(metric), encodeFigure(figure, nowMs)]),
    ),
    stale: view?.stale ?? [],
    quarantined: view?.quarantined ?? null,
    residency: view?.residency.kind ?? null,
  };
}

function encodeFigure({ value, provenance, n, source, at }: Figure, nowMs: number) {
  const ageMs = at === undefined ? Number.NaN : nowMs - Date.parse(at);
  return {
    value,
    provenance,
    n,
    source,
    at: at ?? null,
    age_s: Number.isFinite(ageMs) ? Math.round(ageMs / 1000) : null,
  };
}

// Relative error of the two figures that were promised: actual over predicted less one.
function encodeError({ predicted, actual }: RequestRecord) {
  const error = (actualMs: number | undefined, predictedMs: number | undefined) =>
    actualMs === undefined || predictedMs === undefined || predictedMs <= 0
      ? null
      : thousandth(actualMs / predictedMs - 1);
  return {
    ttft: error(actual.ttftMs, predicted?.ttftMs),
    e2e: error(actual.e2eMs, predicted?.e2eMs),
    e2e_median: error(actual.e2eMs, predicted?.e2eMedianMs),
  };
}
