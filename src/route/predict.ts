import type { Prediction, Workload } from '../core/decision.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { type Provenance, provenanceRank } from '../core/profile.ts';
import type { LaneView, ModelView, Snapshot } from '../core/snapshot.ts';
import { type CompleteProfile, completeProfile } from './estimate.ts';
import { laneWaitMs, modelWaitMs } from './lane-wait.ts';
import type { QueuedEntry } from './queue-order.ts';

/** How many tokens the answer is expected to have, the same for every candidate. */
export type OutputGuess = { readonly tokens: number; readonly basis: string };

/** UTF-16 units per prompt token where a model's own ratio is not known; between English prose (4) and code (3). */
const CHARS_PER_TOKEN = 3.6;
/** What a ChatML-like template adds to one message: start mark, role, line feed, end mark, line feed. */
const MESSAGE_TOKENS = 5;

/**
 * Output length at the class's quantile, at most what the client allows: min(max_tokens, learned quantile, else the
 * policy's prior). At least 1.
 */
export function guessOutput(workload: Workload, snapshot: Snapshot, prior: OutputPrior): OutputGuess {
  const learned = snapshot.outputTokens(workload.class, prior.quantile);
  const percentile = `p${Math.round(prior.quantile * 100)}`;
  const tokens = Math.max(1, Math.round(learned?.tokens ?? prior.outputTokens));
  if (workload.outputTokensMax !== undefined && workload.outputTokensMax <= tokens) {
    return { tokens: Math.max(1, workload.outputTokensMax), basis: 'max_tokens' };
  }
  const basis = learned === undefined ? `${percentile}, policy` : `${percentile}, n=${learned.n}`;
  return { tokens, basis: `class ${workload.class} ${basis}` };
}

/** The part of a class's policy that speaks of output length. */
export type OutputPrior = { readonly quantile: number; readonly outputTokens: number };

/** A device's queue as one newcomer sees it, the same for all models of the device. */
export type QueueOutlook = {
  readonly lane: LaneView;
  readonly newcomer: QueuedEntry;
  /** {@link laneWaitMs} of the newcomer. */
  readonly waitMs: number;
};

/** Looks at a device's queue once for all its models. */
export function lookAtQueue(lane: LaneView, workload: Workload, nowMs: number): QueueOutlook {
  const newcomer = {
    class: workload.class,
    arrivedMs: nowMs,
    deadlineMs: workload.slo.e2eMs === undefined ? Number.POSITIVE_INFINITY : nowMs + workload.slo.e2eMs,
  };
  return { lane, newcomer, waitMs: laneWaitMs(lane, newcomer, nowMs) };
}

/** One model in one snapshot. */
export type PredictionSubject = {
  readonly model: ModelPolicy;
  readonly view: ModelView;
  readonly queue: QueueOutlook | undefined;
  /** Time until memory for a load is free, ms; 0 where nothing must be waited for. */
  readonly memoryWaitMs: number;
};

/**
 * Course of a request on one model, ms, from arrival:
 *
 *   wait    = max(lane, the model's own slots, memory)
 *   load    = 0 when loaded, the rest of a running start, else the load time
 *   prefill = fixed part + prompt tokens / prefill rate
 *   decode  = output tokens / decode rate
 *   TTFT    = wait + load + prefill          E2E = TTFT + decode
 *
 * `basis` is the least trusted figure among the rates used, and the load time where a load is ahead. Token counts carry
 * their own basis: they come from the request, not from the machine.
 */
export function predict(
  workload: Workload,
  output: OutputGuess,
  subject: PredictionSubject,
  nowMs: number,
): Prediction {
  const { model, view } = subject;
  const profile = completeProfile(view.profile, view.facts, model.id);
  const prompt = promptTokens(workload, profile);
  const waitMs = Math.max(subject.memoryWaitMs, queueWaitMs(subject, nowMs));
  const loadMs = loadAheadMs(view, profile);
  const prefillMs = (profile.prefillFixedMs?.value ?? 0) + (prompt.tokens / profile.prefillTokensPerSec.value) * 1000;
  const decodeMs = (output.tokens / profile.decodeTokensPerSec.value) * 1000;
  const ttftMs = waitMs + loadMs + prefillMs;
  return {
    promptTokens: prompt.tokens,
    promptTokensBasis: prompt.basis,
    outputTokens: output.tokens,
    outputTokensBasis: output.basis,
    waitMs,
    loadMs,
    prefillMs,
    decodeMs,
    ttftMs,
    e2eMs: ttftMs + decodeMs,
    basis: leastTrusted(profile, loadMs > 0),
  };
}

// tokens = chars / charsPerToken + templateTokens: one line through what was seen. A ratio without an intercept was taken
// over whole prompts, template included; only where neither is known does the template count by message.
function promptTokens(workload: Workload, profile: CompleteProfile): { tokens: number; basis: string } {
  if (workload.promptTokensExact !== undefined) return { tokens: workload.promptTokensExact, basis: 'counted' };
  const { charsPerToken, templateTokens } = profile;
  if (charsPerToken === undefined) {
    const template = templateTokens?.value ?? MESSAGE_TOKENS * workload.messageCount;
    const tokens = Math.max(1, Math.ceil(workload.promptChars / CHARS_PER_TOKEN + template));
    return { tokens, basis: DEFAULT_RATIO_BASIS };
  }
  const tokens = Math.ceil(workload.promptChars / charsPerToken.value + (templateTokens?.value ?? 0));
  return { tokens: Math.max(1, tokens), basis: RATIO_BASIS[charsPerToken.provenance] };
}

const RATIO_BASIS: Readonly<Record<Provenance, string>> = {
  measured: 'chars per token, measured',
  observed: 'chars per token, observed',
  imported: 'chars per token, imported',
  reference: 'chars per token, reference',
  estimated: 'chars per token, estimated',
};
const DEFAULT_RATIO_BASIS = `${CHARS_PER_TOKEN} chars per token, default`;

function queueWaitMs({ model, view, queue }: PredictionSubject, nowMs: number): number {
  if (queue === undefined) return view.slotWaitMs;
  // Nobody waits and fewer run on the whole device than this child alone takes: there is nothing to add up.
  if (queue.lane.waiting.length === 0 && queue.lane.running.length < view.parallel)
    return Math.max(view.slotWaitMs, queue.waitMs);
  const slotsMs = modelWaitMs(queue.lane, { ...queue.newcomer, model: model.id }, Math.max(1, view.parallel), nowMs);
  return Math.max(view.slotWaitMs, queue.waitMs, slotsMs);
}

function loadAheadMs(view: ModelView, profile: CompleteProfile): number {
  const { residency } = view;
  switch (residency.kind) {
    case 'ready':
    case 'busy':
      return 0;
    case 'starting':
      return Math.max(0, residency.remainingMs);
    case 'backoff':
      return Math.max(0, residency.retryInMs) + profile.loadMs.value;
    case 'stopped':
    case 'draining':
    case 'failed':
      return profile.loadMs.value;
  }
}

function leastTrusted(profile: CompleteProfile, loads: boolean): Provenance {
  let worst = profile.prefillTokensPerSec.provenance;
  if (provenanceRank(profile.decodeTokensPerSec.provenance) > provenanceRank(worst)) {
    worst = profile.decodeTokensPerSec.provenance;
  }
  if (loads && provenanceRank(profile.loadMs.provenance) > provenanceRank(worst)) worst = profile.loadMs.provenance;
  return worst;
}
