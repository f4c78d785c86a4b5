/** What an NPU model does per second as far as is known; undefined where nothing has been measured. */
export type MeasuredRates = {
  readonly prefillTokensPerSec: number | undefined;
  readonly decodeTokensPerSec: number | undefined;
};

/** Limits of one adapter; tests make them short. */
export type DeadlineRules = {
  /** Least time for a load, and time per GB of weights, ms. */
  readonly loadFloorMs: number;
  readonly loadMsPerGb: number;
  /** Least time for the first token, ms. */
  readonly firstTokenFloorMs: number;
  /** Silence between two tokens that means a hang, ms. */
  readonly silenceMs: number;
};

/** Loads: rkllm servers in the field use these. First token and silence: far above the slowest figures published. */
export const DEADLINES: DeadlineRules = {
  loadFloorMs: 60_000,
  loadMsPerGb: 45_000,
  firstTokenFloorMs: 30_000,
  silenceMs: 30_000,
};

/** Time allowed for a load, ms: max(60 s, 45 s per GB). */
export const loadLimitMs = (weightsBytes: number, rules: DeadlineRules = DEADLINES): number =>
  Math.max(rules.loadFloorMs, (weightsBytes / 1e9) * rules.loadMsPerGb);

// The slowest prefill published for an NPU: 1.7B reads 1024 tokens in 15 s, 4096 in 71 s, 8192 in 226 s. That is
// 14.6 ms per token at first, and grows with the square of the length.
const SLOWEST_MS_PER_TOKEN = 15;
const GROWTH_TOKENS = 4096;
/** How many times the expected prefill may take before it counts as a hang. */
const PATIENCE = 4;

/**
 * Time allowed until the first token, ms: four times the prefill expected from the measured rate, or from the slowest
 * published one, growing with the length beyond what is linear: t(n) = n × msPerToken × (1 + n / 4096).
 */
export function firstTokenLimitMs(
  promptTokens: number,
  rates: MeasuredRates,
  rules: DeadlineRules = DEADLINES,
): number {
  const msPerToken = rates.prefillTokensPerSec === undefined ? SLOWEST_MS_PER_TOKEN : 1000 / rates.prefillTokensPerSec;
  const expectedMs = promptTokens * msPerToken * (1 + promptTokens / GROWTH_TOKENS);
  return Math.max(rules.firstTokenFloorMs, PATIENCE * expectedMs);
}

/** Silence that means a hang, ms: at least the floor, and twenty tokens at the measured rate. */
export const silenceLimitMs = (rates: MeasuredRates, rules: DeadlineRules = DEADLINES): number =>
  Math.max(rules.silenceMs, rates.decodeTokensPerSec === undefined ? 0 : 20_000 / rates.decodeTokensPerSec);
