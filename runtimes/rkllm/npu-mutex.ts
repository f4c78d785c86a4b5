/** Gives the mutex back; a second call does nothing. */
export type ReleaseMutex = () => void;

/** Lets one at a time pass, in the order they came. */
export interface NpuMutex {
  /** Rejects with the signal's reason when it aborts before the turn comes. */
  acquire(signal?: AbortSignal): Promise<ReleaseMutex>;
}

/**
 * One NPU for all workers: the driver runs one job at a time, a load beside a run has been seen to fail ("failed to
 * submit") or to block for ever. The device's lane keeps requests apart; this keeps loads and canaries apart from them.
 */
export function createNpuMutex(): NpuMutex {
  let tail: Promise<void> = Promise.resolve();
  return {
    acquire: async (signal) => {
      const before = tail;
      let release: ReleaseMutex = () => undefined;
      tail = new Promise<void>((resolve) => {
        release = resolve;
      });
      try {
        await turn(before, signal);
        return release;
      } catch (error) {
        // Whoever comes next still waits for those before us.
        before.then(release, release);
        throw error;
      }
    },
  };
}

async function turn(before: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return before;
  signal.throwIfAborted();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
