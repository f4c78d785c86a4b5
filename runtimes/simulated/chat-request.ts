import { drawLogNormal } from '../../src/core/random.ts';
import { promptTokensOf } from './prompt.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** A chat request, read. */
export type ChatRequest = {
  readonly prompt: readonly string[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Tokens it will come to, thinking included. */
  readonly outputTokens: number;
  /** Of these, tokens of thinking before the answer. */
  readonly thinkingTokens: number;
  readonly finishReason: 'stop' | 'length';
  /** Luck of this run, where the request brings its own: factors on prefill and decode. */
  readonly factors: { readonly prefill: number; readonly decode: number } | undefined;
};

/** A refusal in llama-server's form: the `error` object of a reply. */
export type Refusal = { readonly code: number; readonly message: string; readonly type: string } & Readonly<
  Record<string, unknown>
>;

type Body = {
  readonly messages?: unknown;
  readonly tools?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: unknown } | null;
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly ignore_eos?: unknown;
  readonly simulated?: Wish;
};

/** The field `simulated` of a request: how long prompt and answer are to be, and what luck the run has. */
type Wish = {
  /** Tokens the prompt counts as, whatever its text: a trace knows tokens and not texts. */
  readonly prompt_tokens?: unknown;
  /** Tokens of the answer; without it a length is drawn. */
  readonly output_tokens?: unknown;
  /** Tokens of thinking before it, where the model thinks. */
  readonly thinking_tokens?: unknown;
  /** Whose length is drawn: route, interactive (default), quality, batch. */
  readonly class?: unknown;
  /** In place of the noise that is drawn: factors on the time of prefill and decode. */
  readonly prefill_factor?: unknown;
  readonly decode_factor?: unknown;
} | null;

/** Median answers of the routing study, tokens. */
const MEDIAN_TOKENS: Readonly<Record<string, number>> = { route: 8, interactive: 55, quality: 150, batch: 280 };
/** The study's spread of interactive answers, taken for all. */
const LENGTH_SIGMA = 0.8;

/** Reads a request's text. `random` draws the length of an answer for which the request names none. */
export function readChatRequest(
  text: string,
  settings: Pick<WorkerSettings, 'contextTokens' | 'slots' | 'thinking'>,
  random: () => number,
): ChatRequest | Refusal {
  const body = parseBody(text);
  if ('code' in body) return body;
  const prompt = promptOf(body);
  const context = Math.floor(settings.contextTokens / settings.slots);
  if (prompt.length >= context) return tooLong(prompt.length, context);
  const room = Math.min(maxTokensOf(body), context - prompt.length);
  const thinkingTokens = settings.thinking ? countOr(body.simulated?.thinking_tokens, 0) : 0;
  const wanted = thinkingTokens + answerTokensOf(body, random);
  return {
    prompt,
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
    outputTokens: Math.min(wanted, room),
    thinkingTokens: Math.min(thinkingTokens, room),
    finishReason: wanted <= room ? 'stop' : 'length',
    factors: factorsOf(body.simulated),
  };
}

/** The prompt's tokens, filled up or cut to the number the request names. */
function promptOf({ messages, tools, simulated }: ReadBody): readonly string[] {
  const written = promptTokensOf(messages, tools);
  const wanted = countOr(simulated?.prompt_tokens, written.length);
  const missing = Math.max(0, wanted - written.length);
  return [...written.slice(0, wanted), ...Array.from({ length: missing }, () => FILLER)];
}

/** No text has it: four characters are a token. */
const FILLER = '<filler>';

function factorsOf(wish: Wish | undefined): ChatRequest['factors'] {
  const [prefill, decode] = [wish?.prefill_factor, wish?.decode_factor];
  const given = typeof prefill === 'number' && typeof decode === 'number' && prefill > 0 && decode > 0;
  return given ? { prefill, decode } : undefined;
}

/** Tokens of a request's prompt, or why there are none. */
export function countPromptTokens(text: string): number | Refusal {
  const body = parseBody(text);
  return 'code' in body ? body : promptOf(body).length;
}

type ReadBody = Body & { readonly messages: readonly unknown[] };

function parseBody(text: string): ReadBody | Refusal {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return invalid(`parse error: ${error instanceof Error ? error.message : String(error)}`);
  }
  const messages = (body as Body | null)?.messages;
  if (!Array.isArray(messages)) return invalid("Expected 'messages' to be an array");
  return body as ReadBody;
}

const invalid = (message: string): Refusal => ({ code: 400, message, type: 'invalid_request_error' });

function tooLong(promptTokens: number, context: number): Refusal {
  return {
    code: 400,
    message: `request (${promptTokens} tokens) exceeds the available context size (${context} tokens), try increasing it`,
    type: 'exceed_context_size_error',
    n_prompt_tokens: promptTokens,
    n_ctx: context,
  };
}

function answerTokensOf(body: Body, random: () => number): number {
  if (body.ignore_eos === true) return Number.POSITIVE_INFINITY;
  const median = MEDIAN_TOKENS[String(body.simulated?.class)] ?? MEDIAN_TOKENS['interactive'] ?? 1;
  // Drawn in any case, so that a named length does not change the lengths of the requests after it.
  const drawn = Math.max(1, Math.round(drawLogNormal(random, median, LENGTH_SIGMA)));
  return countOr(body.simulated?.output_tokens, drawn);
}

function maxTokensOf({ max_tokens, max_completion_tokens }: Body): number {
  const given = max_completion_tokens ?? max_tokens;
  // -1 is llama-server's "no limit".
  return typeof given === 'number' && given >= 0 ? Math.floor(given) : Number.POSITIVE_INFINITY;
}

const countOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && value >= 0 && Number.isFinite(value) ? Math.floor(value) : otherwise;
