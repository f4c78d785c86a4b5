/** What an engine and the router say at the end of an answer. Undefined where nobody said it. */
export type EngineFinal = {
  /** OpenAI's word: `stop`, `length`, `tool_calls`. */
  readonly finishReason: string | undefined;
  /** Prompt tokens, those taken from the engine's cache included. */
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly reasoningTokens: number | undefined;
  /** The stop sequence that ended the answer, where the request was `verbose` and the engine knows the word. */
  readonly stoppingWord: string | undefined;
  /** The engine's own times, ms. */
  readonly prefillMs: number | undefined;
  readonly decodeMs: number | undefined;
  /** The router's account of the request, to be passed on as it is. */
  readonly xRouter: Readonly<Record<string, unknown>> | undefined;
};

type Parts = {
  readonly finishReason?: unknown;
  readonly usage?: unknown;
  readonly timings?: unknown;
  readonly x_router?: unknown;
  readonly __verbose?: unknown;
};

/** Reads the last words out of a parsed chunk or reply; what it does not say is taken from `before`. */
export function readFinal(parts: Parts, before?: EngineFinal): EngineFinal {
  const usage = object(parts.usage);
  const timings = object(parts.timings);
  const cached = number(timings, 'cache_n') ?? number(object(usage?.['prompt_tokens_details']), 'cached_tokens');
  const read = number(timings, 'prompt_n');
  const prompt = read === undefined ? undefined : read + (cached ?? 0);
  return {
    finishReason: typeof parts.finishReason === 'string' ? parts.finishReason : before?.finishReason,
    promptTokens: number(usage, 'prompt_tokens') ?? prompt ?? before?.promptTokens,
    cachedTokens: cached ?? before?.cachedTokens,
    outputTokens: number(usage, 'completion_tokens') ?? number(timings, 'predicted_n') ?? before?.outputTokens,
    reasoningTokens:
      number(object(usage?.['completion_tokens_details']), 'reasoning_tokens') ?? before?.reasoningTokens,
    stoppingWord: word(object(parts.__verbose)?.['stopping_word']) ?? before?.stoppingWord,
    prefillMs: number(timings, 'prompt_ms') ?? before?.prefillMs,
    decodeMs: number(timings, 'predicted_ms') ?? before?.decodeMs,
    xRouter: object(parts.x_router) ?? before?.xRouter,
  };
}

const object = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;

function number(from: Readonly<Record<string, unknown>> | undefined, key: string): number | undefined {
  const value = from?.[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

const word = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
