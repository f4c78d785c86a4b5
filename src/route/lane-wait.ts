import type { LaneEntry, LaneView } from '../core/snapshot.ts';
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
  return slotWaitMs(newcomer.model, parallel, { running: lane.running, ahead: aheadOf(lane.waiting, newcomer, nowMs) });
}

/** What a newcomer has before it. */
export type Queue = { readonly running: readonly LaneEntry[]; readonly ahead: readonly LaneEntry[] };

/** {@link modelWaitMs} where it is known already who goes before the newcomer. */
export function slotWaitMs(model: LaneEntry['model'], parallel: number, { running, ahead }: Queue): number {
  const ownRunning = ofModel(running, model);
  const ownAhead = ofModel(ahead, model);
  if (ownAhead.length === 0 && ownRunning.length < parallel) return 0;
  return waitOverServers(parallel, ownRunning, ownAhead);
}

const NONE: readonly LaneEntry[] = [];

// Most models have nobody in the queue, and an array for each of a dozen models in each decision adds up.
function ofModel(entries: readonly LaneEntry[], model: LaneEntry['model']): readonly LaneEntry[] {
  let own: LaneEntry[] | undefined;
  for (const entry of entries) {
    if (entry.model !== model) continue;
    own ??= [];
    own.push(entry);
  }
  return own ?? NONE;
}

/** Who of the waiting goes before the newcomer, in their order: equal rank goes to whoever came first. */
export function aheadOf(waiting: readonly LaneEntry[], newcomer: QueuedEntry, nowMs: number): readonly LaneEntry[] {
  return waiting.length === 0 ? waiting : waiting.filter((entry) => compareEntries(entry, newcomer, nowMs) <= 0);
}

/** {@link laneWaitMs} where it is known already who goes before the newcomer. */
export function queueWaitMs(lanes: number, { running, ahead }: Queue): number {
  if (ahead.length === 0 && running.length < lanes) return 0;
  return waitOverServers(lanes, running, ahead);
}

function waitOverServers(servers: number, running: readonly LaneEntry[], ahead: readonly LaneEntry[]): number {
  if (servers <= 0) return Number.POSITIVE_INFINITY;
  // One server, as most devices have: everything before the newcomer runs in turn.
  if (servers === 1 && running.length <= 1) {
    const first = running[0];
    let waitMs = first === undefined ? 0 : Math.max(OVERRUN_MS_MIN, first.remainingMs);
    for (const entry of ahead) waitMs += entry.remainingMs;
    return waitMs;
  }
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
