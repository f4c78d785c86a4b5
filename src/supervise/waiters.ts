import type { Clock } from '../core/clock.ts';
import { type Entry, hasFreeSlot } from './entry.ts';
import { takeLease } from './lease.ts';
import type { Lease } from './supervisor-types.ts';

/** A request that waits for a child: to use a slot, or only to know it loaded. */
export type Waiter = {
  readonly kind: 'lease' | 'load';
  readonly arrivedMs: number;
  /** True when the child was not ready when the request came. */
  readonly cold: boolean;
  /** Called with a lease where `kind` is `lease`. */
  readonly resolve: (lease: Lease | undefined) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Puts a request into the model's line. The promise is settled by {@link serveWaiters} or {@link refuseWaiters}, or
 * rejects with the signal's reason; `onLeave` is called in that last case, for others may have waited behind it.
 */
export function joinWaiters(
  entry: Entry,
  kind: Waiter['kind'],
  how: { readonly clock: Clock; readonly signal: AbortSignal; readonly onLeave: () => void },
): Promise<Lease | undefined> {
  const { clock, signal, onLeave } = how;
  return new Promise((resolve, reject) => {
    const leave = () => {
      entry.waiters = entry.waiters.filter((other) => other !== waiter);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      leave();
      reject(signal.reason);
      onLeave();
    };
    const waiter: Waiter = {
      kind,
      arrivedMs: clock.monotonicMs(),
      cold: entry.child.state.kind !== 'ready' && entry.child.state.kind !== 'busy',
      resolve: (lease) => {
        leave();
        resolve(lease);
      },
      reject: (error) => {
        leave();
        reject(error);
      },
    };
    signal.addEventListener('abort', onAbort, { once: true });
    entry.waiters.push(waiter);
  });
}

/** Gives what a ready child has free to those who wait for it, in the order they came. */
export function serveWaiters(entry: Entry, clock: Clock): void {
  for (const waiter of [...entry.waiters]) {
    const { kind } = entry.child.state;
    if (waiter.kind === 'load') {
      if (kind === 'ready' || kind === 'busy') waiter.resolve(undefined);
      continue;
    }
    // Taking a lease changes the child's state, which leads here again: look whether this one still waits.
    if (!hasFreeSlot(entry) || !entry.waiters.includes(waiter)) continue;
    entry.waiters = entry.waiters.filter((other) => other !== waiter);
    const loadMs = waiter.cold ? clock.monotonicMs() - waiter.arrivedMs : 0;
    waiter.resolve(takeLease(entry, clock, { cold: waiter.cold, loadMs }));
  }
}

/** Tells everybody who waits that it will not be. */
export function refuseWaiters(entry: Entry, error: unknown): void {
  for (const waiter of [...entry.waiters]) waiter.reject(error);
}
