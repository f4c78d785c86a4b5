import type { LaneEntry, LaneView } from '../core/snapshot.ts';
import { runningAfterYield } from './preemption.ts';
import { compareEntries, type QueuedEntry } from './queue-order.ts';

/** A lane that overran its prediction still counts as busy for this long: it is not free until it says so. */
const OVERRUN_MS_MIN = 250;

/**
 * Predicted time until the lane is `newcomer`'s, ms: running work first, then every waiting entry that goes before the
 * newcomer, each on the server that is free first (list scheduling over `lane.lanes` servers). 0 when one is free now;
 * Infinity for a device without lanes.
 */
export function laneWaitMs(lane: LaneView, newcomer: QueuedEntry, nowMs: number): number {
  if (lane.waiting.length === 0 && lane.running.length < lane.lanes) return 0;
  return waitOverServers(lane.lanes, lane.running, aheadOf(lane.waiting, newcomer, nowMs));
}

/**
 * Predicted time until the newcomer's own model has a slot, ms: {@link laneWaitMs} over the entries of this model alone,
 * with the child's slots as servers. With two lanes on a device a busy child can be the narrower place.
 */
export function modelWaitMs(
  lane: LaneView,
  newcomer: QueuedEntry & Pick<LaneEntry, 'model'>,
  parallel: number,
  nowMs: number,
): number {
  const { model } = newcomer;
  const ofModel = (entry: LaneEntry) => entry.model === model;
  if (!lane.running.some(ofModel) && !lane.waiting.some(ofModel)) return 0;
  const running = lane.running.filter(ofModel);
  const waiting = lane.waiting.filter(ofModel);
  if (waiting.length === 0 && running.length < parallel) return 0;
  return waitOverServers(parallel, running, aheadOf(waiting, newcomer, nowMs));
}

/** {@link laneWaitMs} and {@link modelWaitMs} together, with `victim` interrupted for the newcomer. */
export function waitAfterYieldMs(
  lane: LaneView,
  newcomer: QueuedEntry & Pick<LaneEntry, 'model'>,
  { victim, parallel, nowMs }: { readonly victim: LaneEntry; readonly parallel: number; readonly nowMs: number },
): number {
  const yielded = { ...lane, running: runningAfterYield(lane.running, victim) };
  return Math.max(laneWaitMs(yielded, newcomer, nowMs), modelWaitMs(yielded, newcomer, parallel, nowMs));
}

// The view holds its entries in queue order. Equal rank goes to whoever came first, and everybody in the queue did.
function aheadOf(waiting: readonly LaneEntry[], newcomer: QueuedEntry, nowMs: number): readonly LaneEntry[] {
  return waiting.length === 0 ? waiting : waiting.filter((entry) => compareEntries(entry, newcomer, nowMs) <= 0);
}

function waitOverServers(servers: number, running: readonly LaneEntry[], ahead: readonly LaneEntry[]): number {
  if (servers <= 0) return Number.POSITIVE_INFINITY;
  // After a live reduction more may run than there are servers; the surplus must end before anybody enters.
  const freeAtMs = running.map((entry) => Math.max(OVERRUN_MS_MIN, entry.remainingMs)).sort((a, b) => a - b);
  while (freeAtMs.length < servers) freeAtMs.unshift(0);
  freeAtMs.splice(0, freeAtMs.length - servers);
  for (const entry of ahead) {
    const startMs = freeAtMs[0] ?? 0;
    freeAtMs[0] = startMs + entry.remainingMs;
    freeAtMs.sort((a, b) => a - b);
  }
  return freeAtMs[0] ?? 0;
}

/**
 * What to tell a client that was turned away, ms: the predicted wait of one more request of its kind, at least 1 s so
 * that `retry-after` never says 0, at most one hour.
 */
export function retryAfterMs(lane: LaneView, newcomer: QueuedEntry, nowMs: number): number {
  return Math.min(3_600_000, Math.max(1000, laneWaitMs(lane, newcomer, nowMs)));
}
