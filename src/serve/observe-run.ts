import type { RequestRecord } from '../core/events.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Profiles } from '../store/profiles.ts';

/**
 * Keeps what a finished generation tells of its model: rates, load time, characters per token, and, where the answer
 * ended by itself, its length. Prompts with images or audio say nothing of characters.
 */
export function observeRun(profiles: Profiles, model: ModelPolicy, record: RequestRecord): void {
  const { actual, outcome } = record;
  profiles.observe(model, {
    promptTokens: actual.promptTokens,
    cachedTokens: actual.cachedTokens,
    outputTokens: actual.outputTokens,
    prefillMs: actual.prefillMs,
    decodeMs: actual.decodeMs,
    loadMs: actual.loadMs === 0 ? undefined : actual.loadMs,
    promptChars: record.hasMedia ? undefined : record.promptChars,
    messageCount: record.messageCount,
  });
  const endedByItself = outcome.kind === 'ok' && outcome.finishReason === 'stop';
  if (endedByItself && actual.outputTokens !== undefined) profiles.finished(record.class, actual.outputTokens);
}
