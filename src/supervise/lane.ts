import type { ModelClass } from '../core/classes.ts';
import type { CancelTimer, Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';
import type { ModelId } from '../core/ids.ts';
import type { DevicePolicy } from '../core/policy.ts';
import type { LaneEntry, LaneView } from '../core/snapshot.ts';
import { retryAfterMs } from '../route/lane-wait.ts';
import { compareEntries } from '../route/queue-order.ts';

// The gateway's own queue, one per device, so that the engine's (first come, first served, without bound) stays empty.
//
//   admit ─▶ a lane is free? ──yes──▶ running ──release──▶ gone, the first of the waiting enters
//                │ no                   ▲
//                └─▶ waiting ───────────┘        waiting ends early by abort, maxWaitMs, close, or a device that is dropped
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
  /** Wall clock of arrival; a retried request keeps its age. Default: now. */
  readonly arrivedMs?: number;
  /** Generations the model's child takes at a time; more of one model would wait inside a lane. Default: no limit. */
  readonly slots?: number;
  /** Gives up after waiting this long. Default: never. */
  readonly maxWaitMs?: number;
};

/** The right to run on a device until released. */
export interface LaneTicket {
  /** Time spent waiting, ms; 0 on the fast path. */
  readonly queueMs: number;
  /** A better guess of the work left, ms; others' predicted wait follows it. */
  update(remainingMs: number): void;
  /** Gives the lane back; a second call does nothing. */
  release(): void;
}

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
  /** Refuses everything that waits and whatever comes, with this error; what runs goes on. */
  close(error: GatewayError): void;
}

/** Creates the queues, empty and without devices; call `configure` before anything else. */
export function createLanes({ clock, emit }: { readonly clock: Clock; readonly emit?: EmitEvent }): Lanes {
  const queues = new Map<string, DeviceQueue>();
  const views = new Map<string, LaneView>();
  let queueDepthMax = 0;
  let closedBy: GatewayError | undefined;

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
    tryAdmit: (request) => queueOf(request.device).tryAdmit(request),
    admit: async (request, signal) => {
      signal.throwIfAborted();
      const queue = queueOf(request.device);
      return queue.tryAdmit(request) ?? queue.wait(request, signal, queueDepthMax);
    },
    queuePosition: (request) => queues.get(request.device)?.positionOf(request),
    view: (device) => queues.get(device)?.view(),
    views: () => {
      for (const [id, queue] of queues) views.set(id, queue.view());
      return views;
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

/** A running overrun counts as a tenth of its first prediction still to go: it is not free until it says so. */
const OVERRUN_SHARE = 0.1;

/**
 * What a view shows of a request, and what only the queue knows: it waits, or runs, or is gone. Kept on the entry and not
 * in a Map: see `http/open-answers.ts` for what hash tables cost where entries come and go by the thousand.
 */
type Entry = { -readonly [Key in keyof LaneEntry]: LaneEntry[Key] } & { waiter?: Waiter; run?: Run };

type Waiter = {
  readonly request: LaneRequest;
  readonly sinceMs: number;
  readonly admitted: (ticket: LaneTicket) => void;
  readonly refused: (reason: unknown) => void;
};

type Run = { estimateMs: number; estimatedAtMs: number };

// Owns its waiters: every one of them leaves by exactly one of admit, abort, timeout or refusal.
class DeviceQueue {
  readonly #clock: Clock;
  readonly #running: Entry[] = [];
  readonly #waiting: Entry[] = [];
  readonly #view: { device: string; lanes: number; running: readonly Entry[]; waiting: readonly Entry[] };

  constructor(device: string, clock: Clock) {
    this.#clock = clock;
    this.#view = { device, lanes: 0, running: this.#running, waiting: this.#waiting };
  }

  resize(lanes: number): void {
    this.#view.lanes = lanes;
    this.#dispatch();
  }

  tryAdmit(request: LaneRequest): LaneTicket | undefined {
    if (this.#running.length >= this.#view.lanes || !this.#hasSlot(request)) return undefined;
    // With a lane free, whoever still waits is held back by its own model's slots; only the same model may not overtake.
    for (const entry of this.#waiting) if (entry.model === request.model) return undefined;
    return this.#start(this.#entryFor(request), request, 0);
  }

  wait(request: LaneRequest, signal: AbortSignal, queueDepthMax: number): Promise<LaneTicket> {
    const entry = this.#entryFor(request);
    const sameClass = this.#waiting.reduce((count, other) => (other.class === entry.class ? count + 1 : count), 0);
    if (sameClass >= queueDepthMax) throw this.#full(entry, sameClass);
    return new Promise((resolve, reject) => {
      let cancelTimer: CancelTimer | undefined;
      const settle = () => {
        cancelTimer?.();
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => this.#leave(entry, signal.reason);
      this.#waiting.push(entry);
      entry.waiter = {
        request,
        sinceMs: this.#clock.monotonicMs(),
        admitted: (ticket) => {
          settle();
          resolve(ticket);
        },
        refused: (reason) => {
          settle();
          reject(reason);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (request.maxWaitMs !== undefined) {
        const { maxWaitMs } = request;
        cancelTimer = this.#clock.after(maxWaitMs, () => this.#leave(entry, this.#waitedTooLong(entry, maxWaitMs)));
      }
    });
  }

  positionOf(request: LaneRequest): number | undefined {
    const entry = this.#waiting.find(({ waiter }) => waiter?.request === request);
    return entry === undefined ? undefined : this.view().waiting.indexOf(entry);
  }

  view(): LaneView {
    const nowMs = this.#clock.monotonicMs();
    for (const entry of this.#running) {
      if (entry.run !== undefined) entry.remainingMs = remainingMs(entry.run, nowMs);
    }
    if (this.#waiting.length > 1) {
      const wallMs = this.#clock.nowMs();
      this.#waiting.sort((a, b) => compareEntries(a, b, wallMs));
    }
    return this.#view;
  }

  refuseWaiting(error: GatewayError): number {
    const entries = [...this.#waiting];
    for (const entry of entries) this.#leave(entry, error);
    return entries.length;
  }

  #entryFor(request: LaneRequest): Entry {
    return {
      class: request.class,
      model: request.model,
      arrivedMs: request.arrivedMs ?? this.#clock.nowMs(),
      deadlineMs: request.deadlineMs,
      remainingMs: request.predictedMs,
    };
  }

  #hasSlot({ model, slots }: LaneRequest): boolean {
    if (slots === undefined) return true;
    let running = 0;
    for (const entry of this.#running) if (entry.model === model) running += 1;
    return running < slots;
  }

  #start(entry: Entry, request: LaneRequest, queueMs: number): LaneTicket {
    const run: Run = { estimateMs: request.predictedMs, estimatedAtMs: this.#clock.monotonicMs() };
    this.#running.push(entry);
    entry.run = run;
    return {
      queueMs,
      update: (leftMs) => {
        run.estimateMs = leftMs;
        run.estimatedAtMs = this.#clock.monotonicMs();
      },
      release: () => {
        if (entry.run === undefined) return;
        entry.run = undefined;
        this.#running.splice(this.#running.indexOf(entry), 1);
        this.#dispatch();
      },
    };
  }

  #dispatch(): void {
    while (this.#running.length < this.#view.lanes) {
      const entry: Entry | undefined = this.#first();
      const waiter = entry?.waiter;
      if (entry === undefined || waiter === undefined) return;
      this.#forget(entry);
      waiter.admitted(this.#start(entry, waiter.request, this.#clock.monotonicMs() - waiter.sinceMs));
    }
  }

  #first(): Entry | undefined {
    const nowMs = this.#clock.nowMs();
    let first: Entry | undefined;
    for (const entry of this.#waiting) {
      const { waiter } = entry;
      if (waiter === undefined || !this.#hasSlot(waiter.request)) continue;
      if (first === undefined || compareEntries(entry, first, nowMs) < 0) first = entry;
    }
    return first;
  }

  #leave(entry: Entry, reason: unknown): void {
    const { waiter } = entry;
    if (waiter === undefined) return;
    this.#forget(entry);
    waiter.refused(reason);
  }

  #forget(entry: Entry): void {
    entry.waiter = undefined;
    this.#waiting.splice(this.#waiting.indexOf(entry), 1);
  }

  #full(entry: Entry, sameClass: number): GatewayError {
    const retryMs = retryAfterMs(this.view(), entry, this.#clock.nowMs());
    return new GatewayError(
      'queue_full',
      `${sameClass} ${entry.class} request(s) wait for device ${this.#view.device} already; try again in ${formatDurationMs(retryMs)}`,
      { retryAfterMs: retryMs, shouldRetry: false },
    );
  }

  #waitedTooLong(entry: Entry, maxWaitMs: number): GatewayError {
    const retryMs = retryAfterMs(this.view(), entry, this.#clock.nowMs());
    return new GatewayError(
      'timeout',
      `device ${this.#view.device} was not free within ${formatDurationMs(maxWaitMs)}; try again in ${formatDurationMs(retryMs)}`,
      { retryAfterMs: retryMs, shouldRetry: false },
    );
  }
}

function remainingMs({ estimateMs, estimatedAtMs }: Run, nowMs: number): number {
  return Math.max(estimateMs * OVERRUN_SHARE, estimateMs - (nowMs - estimatedAtMs));
}
