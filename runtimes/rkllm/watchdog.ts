import type { Clock } from '../../src/core/clock.ts';

/** Notices when something has been silent for too long. */
export interface Watchdog {
  /** Something was heard; from now on silence may last `limitMs`. */
  heard(limitMs: number): void;
  stop(): void;
}

/** How often it looks within the limit. */
const LOOKS = 8;

/**
 * Calls `onSilence` once when nothing was heard within the limit, or up to an eighth of it later. Hearing is called
 * with every piece of an answer and only leaves a mark: reading a clock after a pause costs more than the rest of our
 * code for the piece. A timer looks eight times within the limit whether there is one.
 */
export function createWatchdog(clock: Clock, limitMs: number, onSilence: (limitMs: number) => void): Watchdog {
  let limit = limitMs;
  let isMarked = false;
  let heardMs = clock.monotonicMs();
  let cancel = clock.after(limit / LOOKS, look);
  let stopped = false;
  function look(): void {
    if (stopped) return;
    const nowMs = clock.monotonicMs();
    if (isMarked) heardMs = nowMs;
    isMarked = false;
    const leftMs = heardMs + limit - nowMs;
    if (leftMs > 0) {
      cancel = clock.after(Math.min(leftMs, limit / LOOKS), look);
      return;
    }
    stopped = true;
    onSilence(limit);
  }
  return {
    heard: (nextLimitMs) => {
      isMarked = true;
      if (nextLimitMs === limit || stopped) return;
      limit = nextLimitMs;
      cancel();
      look();
    },
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}
