/** What a batch has used since this process began: time, items done, and the time that was expected of them, ms. */
export type Spent = {
  readonly busyMs: number;
  readonly items: number;
  /** By the plans in force when they were begun. */
  readonly expectedMs: number;
  /** By the batch's first plan, by which a promise was made. */
  readonly promisedMs: number;
};

const NOTHING: Spent = { busyMs: 0, items: 0, expectedMs: 0, promisedMs: 0 };

/** One more attempt. One that was in vain takes its time too, and nothing was planned for it. */
export function addAttempt(
  spent: Spent | undefined,
  attempt: {
    readonly isDone: boolean;
    readonly tookMs: number;
    readonly plannedMs: number;
    readonly promisedMs: number;
  },
): Spent {
  const { busyMs, items, expectedMs, promisedMs } = spent ?? NOTHING;
  const done = attempt.isDone ? 1 : 0;
  return {
    busyMs: busyMs + attempt.tookMs,
    items: items + done,
    expectedMs: expectedMs + done * attempt.plannedMs,
    promisedMs: promisedMs + done * attempt.promisedMs,
  };
}
