import type { Delta } from './parse-output.ts';

/** What all chunks of one answer say alike. */
export type ReplyIdentity = {
  /** `chatcmpl-…` */
  readonly id: string;
  /** Seconds since 1970. */
  readonly createdSec: number;
  /** Name of the model, as the client is to see it. */
  readonly model: string;
};

/** The runtime's own figures of a run; undefined where it gave none (an aborted run). */
export type RunFigures = {
  /** Tokens of the prompt that were read, those taken from the cache not counted. */
  readonly promptTokens: number;
  readonly prefillMs: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly decodeMs: number;
};

/** Why an answer ended, in OpenAI's words. */
export type FinishReason = 'stop' | 'length' | 'tool_calls';

/** End of an answer. */
export type ReplyEnd = { readonly reason: FinishReason; readonly figures: RunFigures | undefined };

/** Writes the chunks of one streamed answer; every text is whole events. */
export interface StreamEncoder {
  /** First chunk, which says who speaks. */
  start(): string;
  /** One chunk per delta. */
  deltas(deltas: readonly Delta[]): string;
  /** Last chunk with finish reason and timings, the usage chunk where it was asked for, and `[DONE]`. */
  end(end: ReplyEnd): string;
}

/**
 * Writes an answer as OpenAI's `chat.completion.chunk` events the way llama-server does, so that everything that reads
 * an engine's stream reads this one. What is the same in every chunk is serialised once per answer.
 */
export function createStreamEncoder(
  identity: ReplyIdentity,
  options: { readonly includeUsage?: boolean } = {},
): StreamEncoder {
  const head = `data: {${identityFields(identity, 'chat.completion.chunk')}`;
  const open = `${head},"choices":[{"index":0,"delta":`;
  const close = ',"finish_reason":null}]}\n\n';
  return {
    start: () => `${open}{"role":"assistant","content":null}${close}`,
    deltas: (deltas) => {
      let text = '';
      for (const delta of deltas) text += open + deltaJson(delta) + close;
      return text;
    },
    end: ({ reason, figures }) => {
      const timings = timingsField(figures);
      const last = `${open}{},"finish_reason":"${reason}"}]${timings}}\n\n`;
      const usage = options.includeUsage === true ? `${head},"choices":[],${usageField(figures)}${timings}}\n\n` : '';
      return `${last}${usage}data: [DONE]\n\n`;
    },
  };
}

/**
 * A complete answer as OpenAI's `chat.completion` object. Content is null where the answer is only calls,
 * and the empty string where the model said nothing or only thought.
 */
export function encodeReply(identity: ReplyIdentity, deltas: readonly Delta[], end: ReplyEnd): string {
  const content = joinTexts(deltas, 'content');
  const reasoning = joinTexts(deltas, 'reasoning');
  const calls = deltas.flatMap((delta) => (delta.kind === 'tool_call' ? [callJson(delta)] : []));
  const shown = content === '' && calls.length > 0 ? 'null' : JSON.stringify(content);
  const message =
    `{"role":"assistant","content":${shown},"refusal":null` +
    (reasoning === '' ? '' : `,"reasoning_content":${JSON.stringify(reasoning)}`) +
    (calls.length === 0 ? '' : `,"tool_calls":[${calls.join(',')}]`);
  return (
    `{${identityFields(identity, 'chat.completion')},"choices":[{"index":0,"message":${message}},"logprobs":null,` +
    `"finish_reason":"${end.reason}"}],${usageField(end.figures)}${timingsField(end.figures)}}`
  );
}

/** Finish reason of a run: calls outrank a natural end; a run cut by the token limit is `length` whatever it said. */
export function finishReason(run: { readonly hitTokenLimit: boolean; readonly callCount: number }): FinishReason {
  if (run.hitTokenLimit) return 'length';
  return run.callCount > 0 ? 'tool_calls' : 'stop';
}

/** OpenAI's error object. `type` and `code` as the gateway's own errors have them. */
export const encodeErrorReply = (error: {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param?: string;
}): string =>
  JSON.stringify({
    error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code },
  });

const identityFields = ({ id, createdSec, model }: ReplyIdentity, object: string): string =>
  `"id":${JSON.stringify(id)},"object":"${object}","created":${Math.trunc(createdSec)},"model":${JSON.stringify(model)}`;

function deltaJson(delta: Delta): string {
  switch (delta.kind) {
    case 'content':
      return `{"content":${JSON.stringify(delta.text)}}`;
    case 'reasoning':
      return `{"reasoning_content":${JSON.stringify(delta.text)}}`;
    case 'tool_call':
      return `{"tool_calls":[{"index":${delta.index},${callJson(delta).slice(1)}]}`;
  }
}

const callJson = (call: Extract<Delta, { kind: 'tool_call' }>): string =>
  `{"id":${JSON.stringify(call.id)},"type":"function","function":` +
  `{"name":${JSON.stringify(call.name)},"arguments":${JSON.stringify(call.arguments)}}}`;

const joinTexts = (deltas: readonly Delta[], kind: 'content' | 'reasoning'): string =>
  deltas.reduce((text, delta) => (delta.kind === kind ? text + delta.text : text), '');

// OpenAI counts tokens from a cache as prompt tokens.
function usageField(figures: RunFigures | undefined): string {
  const prompt = (figures?.promptTokens ?? 0) + (figures?.cachedTokens ?? 0);
  const output = figures?.outputTokens ?? 0;
  return (
    `"usage":{"prompt_tokens":${prompt},"completion_tokens":${output},"total_tokens":${prompt + output},` +
    `"prompt_tokens_details":{"cached_tokens":${figures?.cachedTokens ?? 0}}}`
  );
}

/** llama-server's `timings`, flat: readers look for its first closing brace. */
function timingsField(figures: RunFigures | undefined): string {
  if (figures === undefined) return '';
  const { promptTokens, prefillMs, cachedTokens, outputTokens, decodeMs } = figures;
  const timings = {
    cache_n: cachedTokens,
    prompt_n: promptTokens,
    prompt_ms: prefillMs,
    ...rates('prompt', promptTokens, prefillMs),
    predicted_n: outputTokens,
    predicted_ms: decodeMs,
    ...rates('predicted', outputTokens, decodeMs),
  };
  return `,"timings":${JSON.stringify(timings)}`;
}

// Absent where a division by zero would make them: JSON has no Infinity.
const rates = (name: string, tokens: number, ms: number): Readonly<Record<string, number>> =>
  tokens > 0 && ms > 0 ? { [`${name}_per_token_ms`]: ms / tokens, [`${name}_per_second`]: (tokens * 1000) / ms } : {};
