import type { RequestRecord } from '../core/events.ts';
import type { FinishedRun } from '../core/knowledge.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Learner } from '../learn/learner.ts';
import type { Profiles } from '../store/profiles.ts';

/** Who is told of a finished generation, and when and where it ended. */
export type RunObservers = {
  readonly profiles: Pick<Profiles, 'observe'>;
  readonly learner: Pick<Learner, 'observe'>;
  readonly device: string;
  readonly nowMs: number;
  /** True where other programs had the machine while it ran. */
  readonly disturbed: boolean;
};

/**
 * Keeps what a finished generation tells of its model: rates, load time and characters per token for its observed profile;
 * how far its promise held and how long its answer was for the learner. Prompts with images or audio say nothing of
 * characters.
 */
export function observeRun(observers: RunObservers, model: ModelPolicy, record: RequestRecord): void {
  const { actual } = record;
  observers.profiles.observe(model, {
    promptTokens: actual.promptTokens,
    cachedTokens: actual.cachedTokens,
    outputTokens: actual.outputTokens,
    prefillMs: actual.prefillMs,
    decodeMs: actual.decodeMs,
    loadMs: actual.loadMs === 0 ? undefined : actual.loadMs,
    promptChars: record.hasMedia ? undefined : record.promptChars,
    messageCount: record.messageCount,
  });
  const run = finishedRunOf(observers, model, record);
  if (run !== undefined) observers.learner.observe(run);
}

function finishedRunOf(observers: RunObservers, model: ModelPolicy, record: RequestRecord): FinishedRun | undefined {
  const { actual, outcome, predicted } = record;
  if (predicted === undefined) return undefined;
  const finishReason = outcome.kind === 'ok' ? outcome.finishReason : undefined;
  // A promise was for one attempt without interruption; what a second one took says nothing of it.
  const asPromised = (actual.attempts ?? 1) === 1 && (actual.preempted ?? 0) === 0;
  return {
    nowMs: observers.nowMs,
    device: observers.device,
    model: model.id,
    key: predicted.outputKey,
    service: predicted.service,
    basis: predicted.basis,
    promptTokens: actual.promptTokens,
    cachedTokens: actual.cachedTokens,
    // Tool calls and the like end by themselves too; only `length` means that the bound did it.
    outputTokens: finishReason === undefined ? undefined : actual.outputTokens,
    prefillMs: actual.prefillMs,
    decodeMs: actual.decodeMs,
    endedByItself: finishReason !== 'length',
    quantile: predicted.quantile,
    promisedTtftMs: asPromised ? predicted.uncorrectedTtftMs : undefined,
    promisedE2eMs: asPromised ? predicted.uncorrectedE2eMs : undefined,
    actualTtftMs: actual.ttftMs,
    actualE2eMs: actual.e2eMs,
    disturbed: observers.disturbed,
  };
}
