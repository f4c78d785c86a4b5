import type { Candidate, Decision, Workload } from '../core/decision.ts';
import type { Outcome, RequestRecord } from '../core/events.ts';
import { encodeActual, encodePrediction } from '../serve/x-router.ts';

/** Answer of `POST /router/explain`: what would be chosen and why everyone else would not. */
export function encodeExplanation(workload: Workload, decision: Decision) {
  const predicted =
    decision.kind === 'chosen' ? decision.predicted : decision.candidates.find((c) => c.predicted)?.predicted;
  return {
    class: workload.class,
    task: workload.task,
    reasons: workload.reasons,
    tokens: {
      prompt: predicted === undefined ? null : Math.round(predicted.promptTokens),
      prompt_basis: predicted?.promptTokensBasis ?? null,
      output: predicted === undefined ? null : Math.round(predicted.outputTokens),
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
    candidates: decision.candidates.map(encodeCandidate),
    degraded: decision.kind === 'chosen' && decision.degraded,
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
    degraded: record.degraded,
    stream: record.stream,
    outcome: encodeOutcome(record.outcome),
    predicted: record.predicted === undefined ? null : encodePrediction(record.predicted),
    actual: encodeActual(record.actual),
    candidates: record.candidates.map(encodeCandidate),
  };
}

function encodeOutcome(outcome: Outcome) {
  if (outcome.kind !== 'ok') return outcome;
  return { kind: outcome.kind, finish_reason: outcome.finishReason, slo_met: outcome.sloMet };
}

function encodeCandidate(candidate: Candidate) {
  return {
    model: candidate.model,
    device: candidate.device,
    quality: candidate.quality,
    feasible: candidate.feasible,
    reason: candidate.reason,
    predicted: candidate.predicted === undefined ? null : encodePrediction(candidate.predicted),
  };
}
