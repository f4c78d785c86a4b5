import type { CancelTimer, Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';
import type { LaneEntry, LaneView, Preemptible } from '../core/snapshot.ts';
import { laneWaitMs, modelWaitMs, retryAfterMs } from '../route/lane-wait.ts';
import { DONE_SHARE_MAX, victimOf } from '../route/preemption.ts';
import { compareEntries } from '../route/queue-order.ts';
import type { Interruption, LaneRequest, LaneTicket } from './lane.ts';

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
  /** Looks once more for somebody to interrupt, at the last moment at which that helps. */
  cancelLook?: CancelTimer;
  readonly admitted: (ticket: LaneTicket) => void;
  readonly refused: (reason: unknown) => void;
};

type Run = {
  estimateMs: number | ((elapsedMs: number) => number);
  estimatedAtMs: number;
  readonly startedAtMs: number;
  interruption: Interruption | undefined;
  /** Told to make way and not gone yet. */
  yielding: boolean;
};

/**
 * The queue of one device. Owns its waiters: every one of them leaves by exactly one of admit, abort, timeout or refusal.
 */
export class DeviceQueue {
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
        waiter.cancelLook?.();
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => this.#leave(entry, signal.reason);
      const waiter: Waiter = {
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
      this.#waiting.push(entry);
      entry.waiter = waiter;
      signal.addEventListener('abort', onAbort, { once: true });
      if (request.maxWaitMs !== undefined) {
        const { maxWaitMs } = request;
        cancelTimer = this.#clock.after(maxWaitMs, () => this.#leave(entry, this.#waitedTooLong(entry, maxWaitMs)));
      }
      this.#interruptFor(entry);
    });
  }

  positionOf(request: LaneRequest): number | undefined {
    const entry = this.#waiting.find(({ waiter }) => waiter?.request === request);
    return entry === undefined ? undefined : this.view().waiting.indexOf(entry);
  }

  view(): LaneView {
    const nowMs = this.#clock.monotonicMs();
    for (const entry of this.#running) {
      if (entry.run === undefined) continue;
      entry.remainingMs = remainingMs(entry.run, nowMs);
      entry.preemptible = preemptibleOf(entry.run, entry.remainingMs, nowMs);
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
    const nowMs = this.#clock.monotonicMs();
    const run: Run = {
      estimateMs: request.predictedMs,
      estimatedAtMs: nowMs,
      startedAtMs: nowMs,
      interruption: undefined,
      yielding: false,
    };
    this.#running.push(entry);
    entry.run = run;
    return {
      queueMs,
      update: (leftMs) => {
        run.estimateMs = leftMs;
        run.estimatedAtMs = this.#clock.monotonicMs();
      },
      allowInterruption: (interruption) => {
        run.interruption = interruption;
        if (interruption !== undefined && this.#waiting.length > 0) this.#interruptForWaiting();
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
      if (entry === undefined || waiter === undefined) break;
      this.#forget(entry);
      waiter.admitted(this.#start(entry, waiter.request, this.#clock.monotonicMs() - waiter.sinceMs));
    }
    if (this.#waiting.length > 0) this.#interruptForWaiting();
  }

  #interruptForWaiting(): void {
    if (!this.#mayInterrupt()) return;
    for (const entry of [...this.#waiting]) this.#interruptFor(entry);
  }

  #mayInterrupt(): boolean {
    let somebody = false;
    for (const { run } of this.#running) {
      if (run?.yielding === true) return false;
      if (run?.interruption !== undefined) somebody = true;
    }
    return somebody;
  }

  // Not while somebody is on the way out already. Where a newcomer would still be in time, the prediction is looked at once
  // more at the last moment at which an interruption can keep it in time; a run that makes way at once does not ask.
  #interruptFor(entry: Entry): void {
    const { waiter } = entry;
    if (waiter === undefined || !this.#mayInterrupt()) return;
    const nowMs = this.#clock.nowMs();
    const model = this.#hasSlot(waiter.request) ? undefined : entry.model;
    const victim: Entry | undefined = victimOf(this.view().running, entry, { nowMs, model });
    const [run, preemptible] = [victim?.run, victim?.preemptible];
    if (run === undefined || preemptible === undefined) return;
    if (preemptible.atOnce !== true) {
      const { startByMs = Number.POSITIVE_INFINITY } = waiter.request;
      if (startByMs === Number.POSITIVE_INFINITY) return;
      if (nowMs + this.#waitMsOf(entry, waiter.request, nowMs) <= startByMs) {
        waiter.cancelLook?.();
        const lookInMs = Math.max(1, startByMs - nowMs - preemptible.cancelMs);
        waiter.cancelLook = this.#clock.after(lookInMs, () => this.#interruptFor(entry));
        return;
      }
    }
    run.yielding = true;
    run.estimateMs = preemptible.cancelMs;
    run.estimatedAtMs = this.#clock.monotonicMs();
    run.interruption?.interrupt(entry.class, entry.model);
  }

  #waitMsOf(entry: Entry, { slots = Number.POSITIVE_INFINITY }: LaneRequest, nowMs: number): number {
    const others = { ...this.#view, waiting: this.#waiting.filter((other) => other !== entry) };
    return Math.max(laneWaitMs(others, entry, nowMs), modelWaitMs(others, entry, slots, nowMs));
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
  const elapsedMs = nowMs - estimatedAtMs;
  if (typeof estimateMs === 'function') return Math.max(0, estimateMs(elapsedMs));
  return Math.max(estimateMs * OVERRUN_SHARE, estimateMs - elapsedMs);
}

function preemptibleOf(run: Run, leftMs: number, nowMs: number): Preemptible | undefined {
  const { interruption } = run;
  if (interruption === undefined || run.yielding) return undefined;
  if (interruption.atOnce !== true && isNearlyDone(run, leftMs, nowMs)) return undefined;
  const { by, atOnce, pauses, cancelMs } = interruption;
  return { by, atOnce, pauses, cancelMs: cancelMs() };
}

function isNearlyDone(run: Run, leftMs: number, nowMs: number): boolean {
  // Of a run that has overrun its prediction nobody knows how much is done.
  if (typeof run.estimateMs === 'number' && nowMs - run.estimatedAtMs > run.estimateMs) return false;
  const spentMs = nowMs - run.startedAtMs;
  return spentMs >= DONE_SHARE_MAX * (spentMs + leftMs);
}
