import type { Slo, Workload } from '../core/decision.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { LaneEntry, LaneView, ModelView, Snapshot } from '../core/snapshot.ts';
import { aheadOf, type Queue, queueWaitMs, slotWaitMs } from './lane-wait.ts';
import { memoryWaitAfterYieldMs } from './memory.ts';
import { runningAfterYield, victimOf } from './preemption.ts';
import { loadOf } from './utility.ts';

/** A device's queue as one newcomer sees it, the same for all models of the device. */
export type QueueOutlook = {
  readonly lane: LaneView;
  /** Who goes before the newcomer, and how long until the device is free for it, ms. */
  readonly queue: Queue;
  readonly waitMs: number;
  /** {@link loadOf} the device. */
  readonly load: number;
  /** The same with the running request out of the way that would be interrupted; undefined where none would. */
  readonly yielded: (Yielded & { readonly victim: LaneEntry; readonly paused: Yielded | undefined }) | undefined;
};

type Yielded = { readonly queue: Queue; readonly waitMs: number };

/** Looks at a device's queue once for all its models. */
export function lookAtQueue(
  lane: LaneView,
  workload: Workload,
  { nowMs, knowledge }: Pick<Snapshot, 'nowMs' | 'knowledge'>,
): QueueOutlook {
  const newcomer = {
    class: workload.class,
    arrivedMs: nowMs,
    deadlineMs: workload.slo.e2eMs === undefined ? Number.POSITIVE_INFINITY : nowMs + workload.slo.e2eMs,
  };
  const queue = { running: lane.running, ahead: aheadOf(lane.waiting, newcomer, nowMs) };
  const victim = victimOf(lane.running, newcomer, { nowMs });
  return {
    lane,
    queue,
    waitMs: queueWaitMs(lane.lanes, queue),
    load: loadOf(lane, knowledge, nowMs),
    yielded: victim && afterYield(lane.lanes, queue, victim),
  };
}

function afterYield(lanes: number, { running, ahead }: Queue, victim: LaneEntry): QueueOutlook['yielded'] {
  const after = (how: 'stops' | 'stands still') => {
    const queue = { running: runningAfterYield(running, victim, how), ahead };
    return { queue, waitMs: queueWaitMs(lanes, queue) };
  };
  const paused = victim.preemptible?.pauses === true ? after('stands still') : undefined;
  return { victim, ...after('stops'), paused };
}

/** What one model's newcomer waits for. */
export type Waiting = {
  readonly model: ModelPolicy;
  readonly view: ModelView;
  readonly queue: QueueOutlook | undefined;
  /** Time until memory for a load is free, ms; 0 where nothing must be waited for. */
  readonly memoryWaitMs: number;
};

/** Wait before a model can take the newcomer, ms, nobody interrupted: the longest of lane, own slots and memory. */
export function waitOf({ model, view, queue, memoryWaitMs }: Waiting): number {
  const ahead = Math.max(memoryWaitMs, view.slotWaitMs);
  if (queue === undefined) return ahead;
  return Math.max(ahead, queue.waitMs, slotWaitMs(model.id, Math.max(1, view.parallel), queue.queue));
}

/** The same where a running request makes way; undefined where none would. */
export function waitAfterYieldOf(
  { model, view, queue, memoryWaitMs }: Waiting,
  snapshot: Snapshot,
): number | undefined {
  if (queue?.yielded === undefined) return undefined;
  const { victim } = queue.yielded;
  const isLoaded = view.residency.kind === 'ready' || view.residency.kind === 'busy';
  const { queue: after, waitMs } = (isLoaded && victim.model !== model.id && queue.yielded.paused) || queue.yielded;
  const memoryMs = memoryWaitMs > 0 ? memoryWaitAfterYieldMs(model.id, view, { snapshot, victim }) : 0;
  return Math.max(memoryMs, waitMs, slotWaitMs(model.id, Math.max(1, view.parallel), after));
}

/**
 * Time from arrival within which a run must have begun to meet its targets, ms; below zero where it cannot any more,
 * Infinity without a target. `workMs` and `firstMs` are what lies between the beginning and the last or first token.
 */
export function startWithinMs(slo: Slo, { workMs, firstMs }: { readonly workMs: number; readonly firstMs: number }) {
  return Math.min(
    slo.e2eMs === undefined ? Number.POSITIVE_INFINITY : slo.e2eMs - workMs,
    slo.ttftMs === undefined ? Number.POSITIVE_INFINITY : slo.ttftMs - firstMs,
  );
}
