/**
 * How long one generation takes on one model when nothing disturbs it, as four coefficients and the load times:
 *
 *   prefill T_p = t0 + (P - H) * (alpha + beta * (P + H) / 2)
 *   decode  T_d = (N - 1) * (gamma + delta * (P + N / 2))
 *
 * P prompt tokens, H of them found in the prefix cache, N output tokens. Attention reads all that came before, so each
 * token costs a fixed part and one that grows with its position: beta and delta are those slopes, and the middle
 * position of the tokens worked on is (P + H) / 2 and P + N / 2. At batch 1 this physical form fits better from few
 * samples than a learned black box. The first output token comes out of the prefill, so N tokens take N - 1 steps; gamma
 * is the TPOT on an empty context, and an engine's decode time counts the same steps.
 */
export type ServiceModel = {
  /** t0, ms. */
  readonly prefillFixedMs: number;
  /** alpha, ms per token. */
  readonly prefillMsPerToken: number;
  /** beta, ms per token and token of context. */
  readonly prefillContextMs: number;
  /** gamma, ms per token. */
  readonly decodeMsPerToken: number;
  /** delta, ms per token and token of context. */
  readonly decodeContextMs: number;
  /** Load with the file in the page cache, ms. */
  readonly loadMs: number;
  /** Load from storage, ms; undefined = never measured apart. */
  readonly loadColdMs: number | undefined;
  /** Time until a stopped child has given its memory back, ms. */
  readonly unloadMs: number;
};

/** T_p, ms, see {@link ServiceModel}; a cached count beyond the prompt counts as the whole prompt. */
export function prefillMsOf(service: ServiceModel, promptTokens: number, cachedTokens = 0): number {
  const cached = Math.min(cachedTokens, promptTokens);
  const middle = (promptTokens + cached) / 2;
  return (
    service.prefillFixedMs + (promptTokens - cached) * (service.prefillMsPerToken + service.prefillContextMs * middle)
  );
}

/** T_d, ms, see {@link ServiceModel}; 0 for no output and for one token. */
export function decodeMsOf(service: ServiceModel, promptTokens: number, outputTokens: number): number {
  return (
    Math.max(0, outputTokens - 1) *
    (service.decodeMsPerToken + service.decodeContextMs * (promptTokens + outputTokens / 2))
  );
}
