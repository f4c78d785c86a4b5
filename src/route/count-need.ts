import type { Candidate, Decision, Prediction, Workload } from '../core/decision.ts';
import type { Policy } from '../core/policy.ts';
import type { Snapshot } from '../core/snapshot.ts';

/** A decision and what it was made of. */
export type DecisionMade = {
  readonly decision: Decision;
  readonly workload: Workload;
  readonly snapshot: Snapshot;
  readonly policy: Policy;
};

/**
 * Tokenizers whose exact count could change the decision: those of candidates for which a bound (context, TTFT or E2E
 * target) lies within what the estimate of the prompt leaves open. Only the chosen one and better ones count: a worse
 * model would not win whatever its prompt. `spreadOf` says how far an estimate may be off, as a share.
 * Empty nearly always, and then nobody waits for a count.
 */
export function tokenizersToAsk(made: DecisionMade, spreadOf: (tokenizer: string) => number): ReadonlySet<string> {
  let wanted: Set<string> | undefined;
  for (const candidate of contendersOf(made.decision)) {
    const tokenizer = made.snapshot.models.get(candidate.model)?.facts?.tokenizer;
    if (tokenizer === undefined || !couldWin(candidate, made.decision)) continue;
    if (!isOpen(candidate, made, { tokenizer, spread: spreadOf(tokenizer) })) continue;
    wanted ??= new Set();
    wanted.add(tokenizer);
  }
  return wanted ?? NONE;
}

const NONE: ReadonlySet<string> = new Set();

// Where one was taken alone, no count of the prompt helps another one: only whether that one fits is in doubt.
function contendersOf(decision: Decision): readonly Candidate[] {
  return decision.kind === 'chosen' && decision.alone !== undefined ? [decision.alone] : decision.candidates;
}

function couldWin(candidate: Candidate, decision: Decision): boolean {
  if (decision.kind === 'refused' || candidate.model === decision.model) return true;
  const chosen = decision.candidates.find(({ model }) => model === decision.model);
  // A degraded choice is the least bad one: anybody who turns out to meet the targets beats it.
  return decision.degraded || candidate.quality > (chosen?.quality ?? 0);
}

/**
 * A model is not struck out, nor a request refused, for a prompt that may have this much fewer tokens, however alike the
 * prompts before it were: code has more characters to a token than prose. The other way round the engine's own refusal
 * sends the request on.
 */
const OBSTACLE_SPREAD = 0.6;

type Doubt = { readonly tokenizer: string; readonly spread: number };

function isOpen(candidate: Candidate, { workload, snapshot, policy }: DecisionMade, doubt: Doubt): boolean {
  const { predicted } = candidate;
  if (predicted === undefined || workload.promptTokensExact !== undefined) return false;
  const counted = workload.promptCounts?.find(({ tokenizer }) => tokenizer === doubt.tokenizer)?.tokens ?? 0;
  const offTokens = doubt.spread * Math.max(0, predicted.promptTokens - counted);
  if (offTokens < 1) return false;
  const contextTokens =
    snapshot.models.get(candidate.model)?.facts?.contextTokens ??
    policy.models.get(candidate.model)?.settings.context ??
    Number.POSITIVE_INFINITY;
  if (straddles(predicted.promptTokens, offTokens, contextTokens)) return true;
  const fewest = predicted.promptTokens - OBSTACLE_SPREAD * (predicted.promptTokens - counted);
  if (predicted.promptTokens >= contextTokens && fewest < contextTokens) return true;
  // Blocked by something that no count changes: closed to the class, a capability, no memory.
  if (candidate.utility === undefined) return false;
  if (straddles(predicted.promptTokens + predicted.outputTokens, offTokens, contextTokens)) return true;
  const offMs = offTokens * msPerToken(predicted);
  const { ttftMs, e2eMs } = workload.slo;
  return (
    (ttftMs !== undefined && straddles(predicted.ttftMs, offMs, ttftMs)) ||
    (e2eMs !== undefined && straddles(predicted.e2eMs, offMs, e2eMs))
  );
}

const straddles = (value: number, off: number, bound: number): boolean => value - off < bound && value + off >= bound;

function msPerToken({ prefillMs, promptTokens, cachedTokens, service }: Prediction): number {
  const read = Math.max(1, promptTokens - cachedTokens);
  return Math.max(0, prefillMs - service.prefillFixedMs) / read;
}
