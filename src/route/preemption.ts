import type { LaneEntry } from '../core/snapshot.ts';
import { compareEntries, type QueuedEntry } from './queue-order.ts';

/** A run this far done is let finish: little is left to wait for, and most of its work would be lost. */
export const DONE_SHARE_MAX = 0.8;
/** A request is interrupted so often at most, so that a steady flow of urgent work cannot keep it from ever ending. */
export const PREEMPTIONS_MAX = 3;

/**
 * The running request that would make way for a newcomer, or undefined: it yields to the newcomer's class, and the
 * newcomer goes before it in the queue's own order (a request that has aged far enough is not interrupted any more). Of
 * several the one with the most work left, whose loss is the least. With `model` only a run in that model's child counts,
 * because a free lane would be of no use to a newcomer whose child is full. Of a run that makes way at once neither its
 * age nor what is left of it is asked.
 *
 * Whether it really is interrupted depends on more: only where the newcomer would miss its targets by waiting, or where
 * the run makes way at once.
 */
export function victimOf(
  running: readonly LaneEntry[],
  newcomer: QueuedEntry,
  { nowMs, model }: { readonly nowMs: number; readonly model?: LaneEntry['model'] | undefined },
): LaneEntry | undefined {
  let victim: LaneEntry | undefined;
  for (const entry of running) {
    const { preemptible } = entry;
    if (preemptible === undefined || !preemptible.by.includes(newcomer.class)) continue;
    if (model !== undefined && entry.model !== model) continue;
    if (preemptible.atOnce !== true && !isWorthIt(entry, newcomer, nowMs)) continue;
    if (victim === undefined || entry.remainingMs > victim.remainingMs) victim = entry;
  }
  return victim;
}

const isWorthIt = (entry: LaneEntry, newcomer: QueuedEntry, nowMs: number): boolean =>
  compareEntries(newcomer, entry, nowMs) < 0 && entry.remainingMs > (entry.preemptible?.cancelMs ?? 0);

/** The same runs with the victim's work cut to what its engine needs to stop, or to nothing where it stands still. */
export function runningAfterYield(
  running: readonly LaneEntry[],
  victim: LaneEntry,
  how: 'stops' | 'stands still' = 'stops',
): readonly LaneEntry[] {
  const leftMs = how === 'stops' ? (victim.preemptible?.cancelMs ?? victim.remainingMs) : 0;
  return running.map((entry) => (entry === victim ? { ...entry, remainingMs: leftMs } : entry));
}
