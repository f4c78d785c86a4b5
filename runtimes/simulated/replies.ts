import type { ChatRequest } from './chat-request.ts';
import { tokensOf } from './prompt.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** Figures of a finished generation, as the engine tells them. Durations are the board's. */
export type RunFigures = {
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
};

/** What stays the same in all chunks of one reply. */
export type ReplyHead = { readonly id: string; readonly createdSec: number };

/** Writes replies in the form of llama-server build 11669, with `simulated` beside it. */
export interface Replies {
  /** Token number `index` of an answer. */
  token(request: ChatRequest, index: number): string;
  whole(request: ChatRequest, head: ReplyHead, run: RunFigures): string;
  /** The first event of a stream. */
  opening(head: ReplyHead): string;
  /** Events of the tokens from `from` (inclusive) to `to` (exclusive), one event each. */
  tokens(request: ChatRequest, head: ReplyHead, span: { readonly from: number; readonly to: number }): string;
  /** The last events of a stream. */
  closing(request: ChatRequest, head: ReplyHead, run: RunFigures): string;
}

/** Replies of one model. */
export function createReplies({ model, board, speed }: Pick<WorkerSettings, 'model' | 'board' | 'speed'>): Replies {
  const sentence = tokensOf(pad(`I am ${model}, simulated as on ${board}. No model was run, only its time was kept. `));
  const thought = tokensOf(pad('Nothing is being thought here, only time passes as if. '));
  const label = { board, speed };

  const token = ({ thinkingTokens }: ChatRequest, index: number): string => {
    const [words, at] = index < thinkingTokens ? [thought, index] : [sentence, index - thinkingTokens];
    return words[at % words.length] ?? '';
  };
  const textOf = (request: ChatRequest, from: number, to: number): string => {
    let text = '';
    for (let index = from; index < to; index += 1) text += token(request, index);
    return text;
  };
  const common = ({ id, createdSec }: ReplyHead, object: string) => ({
    created: createdSec,
    id,
    model,
    system_fingerprint: `simulated-${board}`,
    object,
    simulated: label,
  });
  const chunk = (head: ReplyHead, delta: object, finishReason: string | null, added: object = {}): string => {
    const choices = [{ finish_reason: finishReason, index: 0, delta }];
    return event({ choices, ...common(head, 'chat.completion.chunk'), ...added });
  };
  return {
    token,
    whole: (request, head, run) => {
      const thinking = textOf(request, 0, request.thinkingTokens);
      const content = textOf(request, request.thinkingTokens, request.outputTokens);
      const message = { role: 'assistant', content, ...(thinking === '' ? {} : { reasoning_content: thinking }) };
      const choices = [{ finish_reason: request.finishReason, index: 0, message }];
      const figures = { usage: usageOf(request, run), timings: timingsOf(request, run) };
      return JSON.stringify({ choices, ...common(head, 'chat.completion'), ...figures });
    },
    opening: (head) => chunk(head, { role: 'assistant', content: null }, null),
    tokens: (request, head, { from, to }) => {
      let text = '';
      for (let index = from; index < to; index += 1) {
        const piece = token(request, index);
        text += chunk(head, index < request.thinkingTokens ? { reasoning_content: piece } : { content: piece }, null);
      }
      return text;
    },
    closing: (request, head, run) => {
      const timings = timingsOf(request, run);
      if (!request.includeUsage) return chunk(head, {}, request.finishReason, { timings }) + DONE;
      const usage = { choices: [], ...common(head, 'chat.completion.chunk'), usage: usageOf(request, run), timings };
      return chunk(head, {}, request.finishReason) + event(usage) + DONE;
    },
  };
}

const DONE = 'data: [DONE]\n\n';
const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

/** To a whole number of tokens, so that the text repeats on a token's edge; plain characters, so that none is cut apart. */
function pad(text: string): string {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return plain.padEnd(Math.ceil(plain.length / 4) * 4);
}

function usageOf({ prompt, outputTokens }: ChatRequest, { cachedTokens }: RunFigures) {
  return {
    completion_tokens: outputTokens,
    prompt_tokens: prompt.length,
    total_tokens: prompt.length + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function timingsOf({ prompt, outputTokens }: ChatRequest, { cachedTokens, prefillMs, decodeMs }: RunFigures) {
  const read = prompt.length - cachedTokens;
  return {
    cache_n: cachedTokens,
    prompt_n: read,
    prompt_ms: prefillMs,
    prompt_per_token_ms: prefillMs / read,
    prompt_per_second: (read * 1000) / prefillMs,
    predicted_n: outputTokens,
    predicted_ms: decodeMs,
    predicted_per_token_ms: outputTokens === 0 ? 0 : decodeMs / outputTokens,
    predicted_per_second: decodeMs === 0 ? 0 : (outputTokens * 1000) / decodeMs,
  };
}
