/** How far a request has come that has not been answered yet, for a client that asked to be told. */
export type Progress = {
  /** It waits for a lane, for its model to be loaded, or for its prompt to be read. */
  readonly phase: 'queue' | 'load' | 'prefill';
  /** How many of its queue come before it; there in phase `queue` only. */
  readonly ahead?: number | undefined;
  /** Since it arrived, ms. */
  readonly elapsedMs: number;
  /** Predicted time to the first token, ms; 0 where that is overdue. */
  readonly remainingMs: number;
};

/** Progress as every language writes it in a field of its own. */
export const encodeProgress = ({ phase, ahead, elapsedMs, remainingMs }: Progress) => ({
  phase,
  ahead,
  elapsed_ms: Math.round(elapsedMs),
  remaining_ms: Math.round(remainingMs),
});
