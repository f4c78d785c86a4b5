/** What llama-server says about a finished generation. Absent where it did not say. */
export type EngineEnd = {
  readonly finishReason: string | undefined;
  /** Prompt tokens it read, those taken from its cache included. */
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly prefillMs: number | undefined;
  readonly decodeMs: number | undefined;
};

const TIMINGS = '"timings":{';
const USAGE = /"prompt_tokens":(\d+)/;
const FINISH = '"finish_reason":"';
const WORD = /^[a-z_]+$/;

/**
 * Reads the engine's `timings` object and finish reason out of a reply's JSON text without parsing the whole of it.
 * The searched text is JSON syntax with unescaped quotes, which text inside a string cannot imitate.
 */
export function readEnd(text: string): EngineEnd {
  const timings = readTimings(text);
  const cached = timings['cache_n'];
  const read = timings['prompt_n'];
  return {
    finishReason: lastReason(text),
    promptTokens: read === undefined ? usedTokens(text) : read + (cached ?? 0),
    cachedTokens: cached,
    outputTokens: timings['predicted_n'],
    prefillMs: timings['prompt_ms'],
    decodeMs: timings['predicted_ms'],
  };
}

function readTimings(text: string): Partial<Record<string, number>> {
  const at = text.lastIndexOf(TIMINGS);
  const close = at === -1 ? -1 : text.indexOf('}', at);
  if (close === -1) return {};
  try {
    return JSON.parse(text.slice(at + TIMINGS.length - 1, close + 1)) as Partial<Record<string, number>>;
  } catch {
    // A build that nests its timings differently: the figures are then simply not known.
    return {};
  }
}

// Embeddings and scores come without timings.
function usedTokens(text: string): number | undefined {
  const match = USAGE.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

// From the end: the last reason is the answer's, and it stands behind all of its text.
function lastReason(text: string): string | undefined {
  for (let at = text.lastIndexOf(FINISH); at !== -1; at = at === 0 ? -1 : text.lastIndexOf(FINISH, at - 1)) {
    const from = at + FINISH.length;
    const reason = text.slice(from, text.indexOf('"', from));
    if (WORD.test(reason)) return reason;
  }
  return undefined;
}
