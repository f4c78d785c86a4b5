import type { ReplyContext } from '../codec.ts';
import type { EngineFinal } from '../engine/final.ts';
import type { DecodedResponses } from './decode.ts';
import type { Fields } from './fields.ts';

/** How far a response has come. */
export type ResponseStatus = 'in_progress' | 'completed' | 'incomplete' | 'failed';

/** What a Response object says beside what never changes. */
export type ResponseState = {
  readonly status: ResponseStatus;
  readonly model: string;
  readonly output: readonly object[];
  /** Absent while the engine has not said its last words. */
  readonly final?: EngineFinal;
  readonly error?: { readonly code: string; readonly message: string };
};

/** Writes the Response objects of one request; all of them have the same id. */
export interface ResponseObjects {
  /** Part of the ids of the response and of its items: `resp_<hex>`, `msg_<hex>_0`. */
  readonly stem: string;
  write(state: ResponseState): Fields;
}

/** For a request that has been read. */
export function createResponseObjects(decoded: DecodedResponses, context: ReplyContext): ResponseObjects {
  const stem = context.requestId.replace(/^req_/, '').replace(/\W/g, '_');
  const createdSec = Math.floor(context.receivedAtMs / 1000);
  return {
    stem,
    write: ({ status, model, output, final, error }) => ({
      id: `resp_${stem}`,
      object: 'response',
      created_at: createdSec,
      completed_at: status === 'completed' ? Math.floor(context.nowMs() / 1000) : null,
      status,
      error: error ?? null,
      incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
      model,
      output,
      ...decoded.echo,
      usage: usageOf(final),
      ...(final?.xRouter !== undefined && { x_router: withIgnored(final.xRouter, decoded.ignored) }),
    }),
  };
}

/** Status of a response whose engine has stopped: only a length that ran out leaves it incomplete. */
export const statusAfter = (final: EngineFinal): 'completed' | 'incomplete' =>
  final.finishReason === 'length' ? 'incomplete' : 'completed';

function usageOf(final: EngineFinal | undefined): object | null {
  if (final?.promptTokens === undefined || final.outputTokens === undefined) return null;
  return {
    input_tokens: final.promptTokens,
    input_tokens_details: { cached_tokens: final.cachedTokens ?? 0, cache_write_tokens: 0 },
    output_tokens: final.outputTokens,
    output_tokens_details: { reasoning_tokens: final.reasoningTokens ?? 0 },
    total_tokens: final.promptTokens + final.outputTokens,
  };
}

/** A runtime names the fields of the chat completion it was given; the client wrote others. */
const OWN_WORDS: ReadonlyMap<unknown, string> = new Map([
  ['max_tokens', 'max_output_tokens'],
  ['reasoning_effort', 'reasoning.effort'],
  ['response_format', 'text.format'],
]);

function withIgnored(xRouter: Fields, ignored: readonly string[]): Fields {
  const runtime: readonly unknown[] = Array.isArray(xRouter['ignored']) ? xRouter['ignored'] : [];
  if (ignored.length === 0 && runtime.length === 0) return xRouter;
  return { ...xRouter, ignored: [...ignored, ...runtime.map((name) => OWN_WORDS.get(name) ?? name)] };
}
