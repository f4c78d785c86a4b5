import type { PromptLength, RequestSample } from './metrics/metric.ts';
import { fitPrefillCurve } from './metrics/prefill-curve.ts';

/**
 * Lengths that tell the fixed cost from the rate without taking hours: the longest prompt is 512 tokens (four minutes
 * at the 27B's 1.9 tok/s) or a quarter of the context, the others half and an eighth of it; 32 tokens are generated.
 */
export function planOf(contextTokens: number): {
  readonly promptTokens: Readonly<Record<PromptLength, number>>;
  readonly outputTokens: number;
} {
  const long = Math.max(64, Math.min(512, Math.floor(contextTokens / 4)));
  return {
    promptTokens: { short: Math.floor(long / 8), middle: Math.floor(long / 2), long },
    outputTokens: Math.max(8, Math.min(32, Math.floor(contextTokens / 8))),
  };
}

/** Longest the prefill of the extra long prompt may take, by the curve just measured. */
const DEEP_PREFILL_MS = 120_000;
/** A slope needs no more, however large the context is. */
const DEEP_TOKENS_MAX = 4_096;
/** Shorter than this many times the plan's longest, it would tell no more than that one. */
const DEEP_TIMES_LONG = 1.5;

/**
 * Length of the extra long prompt, which shows how the cost of a token grows with the context: three quarters of the
 * context, 4,096 tokens, or what {@link DEEP_PREFILL_MS} can read; undefined where that is hardly longer than the plan's longest.
 */
export function deepTokensOf(
  contextTokens: number,
  longTokens: number,
  requests: readonly RequestSample[],
): number | undefined {
  const msPerToken = fitPrefillCurve({ requests, deep: [] })?.curve.msPerToken;
  if (msPerToken === undefined || msPerToken <= 0) return undefined;
  const tokens = Math.floor(Math.min((contextTokens * 3) / 4, DEEP_PREFILL_MS / msPerToken, DEEP_TOKENS_MAX));
  return tokens >= DEEP_TIMES_LONG * longTokens ? tokens : undefined;
}

/**
 * Longest a request may take, ms: two minutes, 2 s per prompt token (at most one per character) and 10 s per output
 * token. A fixed time-out killed slow models in earlier work (board facts, section 2); these rates are a quarter and a
 * fifth of the slowest model's.
 */
export const requestTimeoutMs = (chars: number, outputTokens: number): number =>
  120_000 + chars * 2_000 + outputTokens * 10_000;
