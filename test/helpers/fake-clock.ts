import type { Clock } from '../../src/core/clock.ts';

/** A clock that stands still until the test moves it. */
export interface FakeClock extends Clock {
  /** Moves time on and runs the timers that come due, in order. */
  advance(durationMs: number): void;
  /** Timers that have not run. */
  timers(): number;
}

/** Makes a {@link FakeClock}; wall clock and monotonic time run together, `startMs` apart. */
export function fakeClock(startMs = Date.UTC(2026, 10, 20, 12)): FakeClock {
  let elapsedMs = 0;
  let hexCount = 0;
  let timers: { readonly dueMs: number; readonly callback: () => void }[] = [];

  const after = (delayMs: number, callback: () => void) => {
    const timer = { dueMs: elapsedMs + delayMs, callback };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };

  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    after,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const cancel = after(delayMs, resolve);
        signal?.addEventListener(
          'abort',
          () => {
            cancel();
            reject(signal.reason);
          },
          { once: true },
        );
      }),
    randomHex: (bytes) => {
      hexCount += 1;
      return hexCount
        .toString(16)
        .padStart(bytes * 2, '0')
        .slice(-bytes * 2);
    },
    advance: (durationMs) => {
      const untilMs = elapsedMs + durationMs;
      for (;;) {
        const due = timers.filter((timer) => timer.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (due === undefined) break;
        elapsedMs = Math.max(elapsedMs, due.dueMs);
        timers = timers.filter((timer) => timer !== due);
        due.callback();
      }
      elapsedMs = untilMs;
    },
    timers: () => timers.length,
  };
}
