import type { CancelTimer, Clock } from '../../src/core/clock.ts';

// A gateway stops a worker's process (SIGSTOP) for the sake of a more urgent request and lets it go on (SIGCONT). A real
// engine computes nothing meanwhile; this one only waits, and what it waits for must not have come nearer. Nobody tells a
// process for how long it stood still, so while it waits it looks at the time every few milliseconds: what lies between
// the last look and SIGCONT is the pause. A machine that is merely busy makes looks late as well, and sends no SIGCONT.
//
//   timers run before signals are heard in a turn of the event loop, `setImmediate` after them: so what a timer finds due
//   is looked at once more there.

/** Gap between two looks at the time, ms of the base clock. */
const LOOK_MS = 5;

/** How a clock learns that its process goes on. */
export type GoesOn = (listener: () => void) => void;

/** The clock of a process that may be stopped: `base`, less the time it stood still. */
export function pausableClock(base: Clock, goesOn: GoesOn): Clock {
  let pausedMs = 0;
  let lookedMs = base.monotonicMs();
  let waiting = 0;
  let isLooking = false;
  const look = () => {
    isLooking = waiting > 0;
    if (isLooking) base.after(LOOK_MS, () => setImmediate(look));
    lookedMs = base.monotonicMs();
  };
  goesOn(() => {
    const nowMs = base.monotonicMs();
    // It was stopped somewhere between two looks.
    if (isLooking) pausedMs += Math.max(0, nowMs - lookedMs - LOOK_MS / 2);
    lookedMs = nowMs;
  });
  const monotonicMs = () => base.monotonicMs() - pausedMs;
  const after = (delayMs: number, callback: () => void): CancelTimer => {
    const dueMs = monotonicMs() + delayMs;
    let isOver = false;
    let cancel: CancelTimer = () => undefined;
    const end = () => {
      if (isOver) return;
      isOver = true;
      waiting -= 1;
      cancel();
    };
    const wait = (forMs: number) => {
      const before = pausedMs;
      const check = () => {
        if (isOver) return;
        const leftMs = dueMs - monotonicMs();
        if (pausedMs > before && leftMs > 0) return wait(leftMs);
        end();
        callback();
      };
      cancel = base.after(forMs, () => setImmediate(check));
    };
    waiting += 1;
    if (!isLooking) look();
    wait(delayMs);
    return end;
  };
  return {
    nowMs: () => base.nowMs() - pausedMs,
    monotonicMs,
    after,
    sleep: (delayMs, signal) => base.sleep(delayMs, signal),
    randomHex: (bytes) => base.randomHex(bytes),
  };
}
