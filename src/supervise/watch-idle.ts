import type { Clock } from '../core/clock.ts';
import { type Entry, keepOf } from './entry.ts';

/**
 * Stops an idle child in time: arms the timer of a child that has just become idle, and disarms that of any other.
 *
 * What a client asks for (`Entry.kept`) holds for the process that serves it, and ends with it. It goes before the
 * policy's `keep`, except that a model the policy keeps resident is not given a time: clients send their own default
 * with every request, and that must not undo what the operator wrote. Letting go at once is a wish nobody has by default.
 */
export function watchIdle(entry: Entry, clock: Clock): void {
  entry.cancelIdle?.();
  entry.cancelIdle = undefined;
  entry.unloadsAtMs = undefined;
  const { child } = entry;
  const keep = keepOf(entry);
  if (child.state.kind !== 'ready' || keep.kind === 'resident') return;
  // `never` means after each use: a model loaded ahead by hand waits for its first.
  if (keep.kind === 'never' && child.incarnation?.used !== true) return;
  const idleMs = keep.kind === 'idle' ? keep.idleMs : 0;
  entry.unloadsAtMs = clock.nowMs() + idleMs;
  entry.cancelIdle = clock.after(idleMs, () => {
    if (child.state.kind !== 'ready') return;
    // A resident model that a client let go would otherwise come back at once.
    if (entry.kept !== undefined) entry.heldOff = true;
    child.drain('idle', undefined).catch(() => undefined);
  });
}
