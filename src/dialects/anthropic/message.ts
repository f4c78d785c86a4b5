import type { ModelId, RequestId } from '../../core/ids.ts';
import type { EngineFinal } from '../engine/final.ts';

/** Why an answer ended, in Anthropic's words. */
export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'max_tokens'
  | 'tool_use'
  | 'refusal'
  | 'model_context_window_exceeded';

/** Counts of a message's tokens; those read from a cache are not among `input_tokens`. */
export type Usage = {
  readonly input_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly output_tokens: number;
};

/** What every message has around its content. */
export const messageFrame = (requestId: RequestId, model: ModelId) => ({
  id: messageId(requestId),
  type: 'message' as const,
  role: 'assistant' as const,
  model,
});

/** The id of a tool's call: the engine's own, else one made of the request's id. */
export const callId = (given: string | undefined, requestId: RequestId, index: number): string =>
  given !== undefined && given !== '' ? given : `toolu_${bare(requestId)}_${index}`;

/** The true counts at the end, those nobody told being 0. */
export function encodeUsage(final: EngineFinal): Usage {
  const cached = final.cachedTokens ?? 0;
  return {
    input_tokens: Math.max(0, (final.promptTokens ?? 0) - cached),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: final.outputTokens ?? 0,
  };
}

/** How an answer ended. */
export type Stop = { readonly stop_reason: StopReason; readonly stop_sequence: string | null };

/**
 * How the answer ended. An engine that does not say which stop sequence it met leaves no difference between one and the
 * model's own end. An answer cut before `maxTokens` filled the context.
 */
export function encodeStop(final: EngineFinal, maxTokens: number | undefined): Stop {
  if (final.stoppingWord !== undefined) return { stop_reason: 'stop_sequence', stop_sequence: final.stoppingWord };
  return { stop_reason: stopReasonOf(final, maxTokens), stop_sequence: null };
}

function stopReasonOf({ finishReason, outputTokens }: EngineFinal, maxTokens: number | undefined): StopReason {
  switch (finishReason) {
    case 'length': {
      const isWindow = maxTokens !== undefined && outputTokens !== undefined && outputTokens < maxTokens;
      return isWindow ? 'model_context_window_exceeded' : 'max_tokens';
    }
    case 'tool_calls':
    case 'function_call':
      return 'tool_use';
    case 'content_filter':
      return 'refusal';
    default:
      return 'end_turn';
  }
}

/** The router's account in the client's words, with the fields that had no effect. Undefined where nobody gave one. */
export function encodeXRouter(
  xRouter: Readonly<Record<string, unknown>> | undefined,
  ignored: readonly string[],
): Readonly<Record<string, unknown>> | undefined {
  if (xRouter === undefined) return undefined;
  const engines = Array.isArray(xRouter['ignored']) ? xRouter['ignored'] : [];
  const all = [...ignored, ...engines.map((name) => WORDS.get(name) ?? name)];
  return all.length === 0 ? xRouter : { ...xRouter, ignored: all };
}

const WORDS: ReadonlyMap<unknown, string> = new Map([
  ['reasoning_effort', 'output_config.effort'],
  ['thinking_budget_tokens', 'thinking.budget_tokens'],
  ['parallel_tool_calls', 'tool_choice.disable_parallel_tool_use'],
]);

const messageId = (requestId: RequestId): string => `msg_${bare(requestId)}`;
const bare = (requestId: RequestId): string => requestId.replace(/^req_/, '');
