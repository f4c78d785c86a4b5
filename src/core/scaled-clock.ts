import type { Clock } from './clock.ts';

/**
 * A clock that runs `speed` times as fast as `base`, from the same start. Whoever lives by it sees a simulated board at
 * its own pace while the wall sees it `speed` times as fast: every duration, target, window and heartbeat keeps the value
 * it has on the board. What the machine itself needs (a socket, a timer's resolution of about 1 ms) is not sped up and
 * appears `speed` times as long. Throws RangeError where `speed` is not positive.
 */
export function scaledClock(base: Clock, speed: number): Clock {
  if (!(speed > 0 && Number.isFinite(speed))) throw new RangeError(`a clock cannot run ${speed} times as fast`);
  const startMs = base.nowMs();
  const startMonotonicMs = base.monotonicMs();
  const monotonicMs = () => startMonotonicMs + (base.monotonicMs() - startMonotonicMs) * speed;
  return {
    // From the monotonic time: a correction of the machine's wall clock would be multiplied as well.
    nowMs: () => Math.round(startMs + monotonicMs() - startMonotonicMs),
    monotonicMs,
    after: (delayMs, callback) => base.after(delayMs / speed, callback),
    sleep: (delayMs, signal) => base.sleep(delayMs / speed, signal),
    randomHex: (bytes) => base.randomHex(bytes),
  };
}
