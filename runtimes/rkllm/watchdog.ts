import type { Clock } from '../../src/core/clock.ts';

/** Notices when something has been silent for too long. */
export interface Watchdog {
  /** Something was heard; from now on silence may last `limitMs`. */
  heard(limitMs: number): void;
  stop(): void;
}

/**
 * Calls `onSilence` once when nothing was heard within the limit. Hearing costs a look at the clock and no timer: the
 * one timer there is looks again when it fires too early.
 */
export function createWatchdog(clock: Clock, limitMs: number, onSilence: (limitMs: number) => void): Watchdog {
  let limit = limitMs;
  let heardMs = clock.monotonicMs();
  let cancel = clock.after(limitMs, check);
  let stopped = false;
  function check(): void {
    if (stopped) return;
    const leftMs = heardMs + limit - clock.monotonicMs();
    if (leftMs > 0) {
      cancel = clock.after(leftMs, check);
      return;
    }
    stopped = true;
    onSilence(limit);
  }
  return {
    heard: (nextLimitMs) => {
      heardMs = clock.monotonicMs();
      if (nextLimitMs < limit && !stopped) {
        cancel();
        cancel = clock.after(nextLimitMs, check);
      }
      limit = nextLimitMs;
    },
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}
