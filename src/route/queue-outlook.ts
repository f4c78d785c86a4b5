import type { Slo, Workload } from '../core/decision.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { LaneEntry, LaneView, ModelView, Snapshot } from '../core/snapshot.ts';
import { laneWaitMs, modelWaitMs, waitAfterYieldMs } from './lane-wait.ts';
import { memoryWaitAfterYieldMs } from './memory.ts';
import { victimOf } from './preemption.ts';
import type { QueuedEntry } from './queue-order.ts';
import { loadOf } from './utility.ts';

/** A device's queue as one newcomer sees it, the same for all models of the device. */
export type QueueOutlook = {
  readonly lane: LaneView;
  readonly newcomer: QueuedEntry;
  /** {@link laneWaitMs} of the newcomer. */
  readonly waitMs: number;
  /** {@link loadOf} the device. */
  readonly load: number;
  /** The running request that would make way for the newcomer. */
  readonly victim: LaneEntry | undefined;
};

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
  return {
    lane,
    newcomer,
    waitMs: laneWaitMs(lane, newcomer, nowMs),
    load: loadOf(lane, knowledge, nowMs),
    victim: victimOf(lane.running, newcomer, { nowMs }),
  };
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
export function waitOf({ model, view, queue, memoryWaitMs }: Waiting, nowMs: number): number {
  const ahead = Math.max(memoryWaitMs, view.slotWaitMs);
  if (queue === undefined) return ahead;
  // Nobody waits and fewer run on the whole device than this child alone takes: there is nothing to add up.
  if (queue.lane.waiting.length === 0 && queue.lane.running.length < view.parallel) {
    return Math.max(ahead, queue.waitMs);
  }
  const newcomer = { ...queue.newcomer, model: model.id };
  return Math.max(ahead, queue.waitMs, modelWaitMs(queue.lane, newcomer, Math.max(1, view.parallel), nowMs));
}

/** The same where a running request makes way; undefined where none would. */
export function waitAfterYieldOf({ model, view, queue }: Waiting, snapshot: Snapshot): number | undefined {
  if (queue?.victim === undefined) return undefined;
  const { lane, victim } = queue;
  const newcomer = { ...queue.newcomer, model: model.id };
  const parallel = Math.max(1, view.parallel);
  const queueMs = waitAfterYieldMs(lane, newcomer, { victim, parallel, nowMs: snapshot.nowMs });
  return Math.max(queueMs, memoryWaitAfterYieldMs(model.id, view, { snapshot, victim }));
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
