import type { ModelId } from '../../core/ids.ts';

/**
 * The body an engine gets of a request in another language: the translated chat completion with the model that was
 * chosen and, where the policy sets one, the bound on output. A stream is asked for its usage, which is the only way to
 * learn the token counts from an engine without timings.
 */
export function engineBody(
  chat: Readonly<Record<string, unknown>>,
  model: ModelId,
  maxTokens: number | undefined,
): string {
  return JSON.stringify({
    ...chat,
    model,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(chat['stream'] === true && { stream_options: { include_usage: true } }),
  });
}
