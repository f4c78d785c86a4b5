import type { RequestFacts } from '../../src/core/request.ts';

/** What a short question to `auto` looks like; a test names what differs. */
export function requestFacts(
  given: Partial<RequestFacts> & { readonly headers?: Record<string, string> } = {},
): RequestFacts {
  const { headers = {}, ...facts } = given;
  const lastUserText = facts.lastUserText ?? 'Good morning, nice to meet you.';
  const systemText = facts.systemText ?? '';
  return {
    model: 'auto',
    classHint: undefined,
    stream: true,
    systemText,
    lastUserText,
    promptChars: lastUserText.length + systemText.length,
    messageCount: 1,
    imageCount: 0,
    audioCount: 0,
    toolCount: 0,
    inToolLoop: false,
    responseFormat: 'text',
    logprobs: false,
    maxTokens: undefined,
    reasoningEffort: undefined,
    serviceTier: undefined,
    sloTtftMs: undefined,
    sloE2eMs: undefined,
    header: (name) => headers[name],
    ...facts,
  };
}
