import { randomBytes } from 'node:crypto';

/** Cancels a timer; calling it twice is harmless. */
export type CancelTimer = () => void;

/**
 * Time and chance, passed in as an argument so that whole systems run under a test's clock.
 * The only place of the project that calls `setTimeout`, `Date.now`, `performance.now` or makes random bytes.
 */
export interface Clock {
  /** Wall clock, ms since 1970. For records and windows; may jump. */
  nowMs(): number;
  /** Monotonic, ms with fractions, from an arbitrary origin. For durations. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): CancelTimer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** `bytes` random bytes as lower-case hex, cryptographically strong. */
  randomHex(bytes: number): string;
}

/** The real clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  sleep: (delayMs, signal) => sleep(delayMs, signal),
  randomHex: takeRandomHex,
};

// Drawn from the system a page at a time: each draw is a call into the kernel's generator, and every request needs an id.
const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let poolAt = 0;

function takeRandomHex(bytes: number): string {
  if (pool.length < poolAt + bytes) [pool, poolAt] = [randomBytes(Math.max(bytes, POOL_BYTES)), 0];
  poolAt += bytes;
  return pool.toString('hex', poolAt - bytes, poolAt);
}

function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
