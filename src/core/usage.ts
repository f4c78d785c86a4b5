/** What a client has used up on one day. */
export type UsageRow = {
  /** `2026-11-21`, in the time zone of the policy at that time. */
  readonly day: string;
  readonly client: string;
  /** Let in; those that ran and those that then could not. */
  readonly requests: number;
  /** Turned away by a limit of the client's, or by the router. */
  readonly refused: number;
  /** Of those let in, those whose run failed. */
  readonly failed: number;
  readonly promptTokens: number;
  /** Of the prompt tokens, those an engine had in its cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
};

/** Nothing used up yet. */
export const noUsage = (day: string, client: string): UsageRow => ({
  day,
  client,
  requests: 0,
  refused: 0,
  failed: 0,
  promptTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
});
