import type { ModelClass } from '../core/classes.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { DevicePolicy } from '../core/policy.ts';
import type { LaneView, Preemptible } from '../core/snapshot.ts';
import { DeviceQueue } from './lane-queue.ts';

// The gateway's own queue, one per device, so that the engine's (first come, first served, without bound) stays empty.
//
//   admit ─▶ a lane is free? ──yes──▶ running ──release──▶ gone, the first of the waiting enters
//                │ no                   ▲
//                └─▶ waiting ───────────┘        waiting ends early by abort, maxWaitMs, close, or a device that is dropped
//
// A running request may be interrupted for one that would be late by waiting, and one that nobody waits for whenever
// somebody more urgent is there (`route/preemption.ts`): it is told, gives its ticket back once its engine has stopped, and
// asks for a lane again.
//
// Order is decided when a lane frees and not when a request arrives: aging changes it with time. Queues are bounded at
// some dozens of entries, so the first is found by looking at all; a heap would be wrong as soon as an entry aged.

/** A request for a lane. */
export type LaneRequest = {
  readonly device: string;
  readonly class: ModelClass;
  readonly model: ModelId;
  /** Wall clock by which it should be done; Infinity without a target. */
  readonly deadlineMs: number;
  /** Predicted ms of work once admitted: load, prefill and decode. */
  readonly predictedMs: number;
  /** Wall clock by which it must have begun to meet its targets; running work yields only for its sake. Default: never. */
  readonly startByMs?: number;
  /** Wall clock of arrival; a retried request keeps its age. Default: now. */
  readonly arrivedMs?: number;
  /** Generations the model's child takes at a time; more of one model would wait inside a lane. Default: no limit. */
  readonly slots?: number;
  /** It ran already and made way: it is let wait however many of its class do. Default: no. */
  readonly returning?: boolean;
  /** Gives up after waiting this long. Default: never. */
  readonly maxWaitMs?: number;
};

/** The right to run on a device until released. */
export interface LaneTicket {
  /** Time spent waiting, ms; 0 on the fast path. */
  readonly queueMs: number;
  /**
   * A better guess of the work left, ms, or how it follows from the time since this call; others' predicted wait follows
   * it.
   */
  update(remainingMs: number | ((elapsedMs: number) => number)): void;
  /** How the run may be interrupted from now on; undefined = not at all, which is how it begins. */
  allowInterruption(interruption: Interruption | undefined): void;
  /** Gives the lane back; a second call does nothing. */
  release(): void;
}

/** How a running request is interrupted. */
export type Interruption = Omit<Preemptible, 'cancelMs'> & {
  /** See {@link Preemptible.cancelMs}; asked whenever somebody wants to know. */
  readonly cancelMs: () => number;
  /** Told once to give the ticket back once its engine rests; `by` and `model` are those of the request it makes way for. */
  readonly interrupt: (by: ModelClass, model: ModelId) => void;
};

/** The queues of all devices. */
export interface Lanes {
  /**
   * Sets devices and bound, at start and on every policy reload. More lanes admit at once; fewer let the running finish.
   * Requests waiting for a device that is gone are refused with `model_unavailable`.
   */
  configure(devices: Iterable<DevicePolicy>, queueDepthMax: number): void;
  /** A ticket where a lane is free and nobody who may run waits before; undefined otherwise. Never queues. */
  tryAdmit(request: LaneRequest): LaneTicket | undefined;
  /**
   * Waits for a lane. Rejects with the signal's reason on abort, `queue_full` where as many of this class wait already,
   * `timeout` after `maxWaitMs`, `model_unavailable` for an unknown device, or the error given to `close`.
   */
  admit(request: LaneRequest, signal: AbortSignal): Promise<LaneTicket>;
  /** How many wait before this request (0 = next); undefined when it does not wait. */
  queuePosition(request: LaneRequest): number | undefined;
  /** State of one device. The object is reused: read it before the next call, do not keep it. */
  view(device: string): LaneView | undefined;
  /** {@link Lanes.view} of every device. */
  views(): ReadonlyMap<string, LaneView>;
  /**
   * Calls `listener` whenever anybody asks for a lane of any device, before it is given; for work that runs only while
   * nobody asks. Replaces the listener before; undefined = none.
   */
  onArrival(listener: (() => void) | undefined): void;
  /** Refuses everything that waits and whatever comes, with this error; what runs goes on. */
  close(error: GatewayError): void;
}

/** Creates the queues, empty and without devices; call `configure` before anything else. */
export function createLanes({ clock, emit }: { readonly clock: Clock; readonly emit?: EmitEvent }): Lanes {
  const queues = new Map<string, DeviceQueue>();
  const views = new Map<string, LaneView>();
  let queueDepthMax = 0;
  let closedBy: GatewayError | undefined;
  let arrived: (() => void) | undefined;

  const queueOf = (device: string): DeviceQueue => {
    if (closedBy !== undefined) throw closedBy;
    const queue = queues.get(device);
    if (queue === undefined) throw unknownDevice(device);
    return queue;
  };

  return {
    configure: (devices, depthMax) => {
      queueDepthMax = depthMax;
      const gone = new Set(queues.keys());
      for (const { id, lanes } of devices) {
        gone.delete(id);
        const queue = queues.get(id) ?? new DeviceQueue(id, clock);
        queues.set(id, queue);
        queue.resize(lanes);
      }
      for (const id of gone) {
        const refused = queues.get(id)?.refuseWaiting(unknownDevice(id)) ?? 0;
        queues.delete(id);
        views.delete(id);
        if (refused > 0) emit?.({ kind: 'gateway.notice', level: 'warn', message: droppedNotice(id, refused) });
      }
    },
    tryAdmit: (request) => {
      arrived?.();
      return queueOf(request.device).tryAdmit(request);
    },
    admit: async (request, signal) => {
      signal.throwIfAborted();
      arrived?.();
      const queue = queueOf(request.device);
      const depthMax = request.returning === true ? Number.POSITIVE_INFINITY : queueDepthMax;
      return queue.tryAdmit(request) ?? queue.wait(request, signal, depthMax);
    },
    queuePosition: (request) => queues.get(request.device)?.positionOf(request),
    view: (device) => queues.get(device)?.view(),
    views: () => {
      for (const [id, queue] of queues) views.set(id, queue.view());
      return views;
    },
    onArrival: (listener) => {
      arrived = listener;
    },
    close: (error) => {
      closedBy = error;
      for (const queue of queues.values()) queue.refuseWaiting(error);
    },
  };
}

const unknownDevice = (device: string): GatewayError =>
  new GatewayError('model_unavailable', `device "${device}" is not in the policy; declare it under devices`);

const droppedNotice = (device: string, refused: number): string =>
  `device ${device} left the policy; ${refused} waiting request(s) were refused`;
