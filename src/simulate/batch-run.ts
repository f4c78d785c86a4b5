import type { Window } from '../core/policy.ts';
import { windowState } from '../policy/window.ts';
import type { SimulatedTime } from './simulated-time.ts';
import { type SimulatedRequest, untilMinuteMs, type WorkloadPlan } from './workload.ts';

/** What a batch run needs. */
export type BatchParts = {
  readonly plan: WorkloadPlan;
  /** Hours in which items may start; undefined = any. */
  readonly window: Window | undefined;
  readonly time: SimulatedTime;
  readonly startMs: number;
  /** Starts one item with its time budget, ms. */
  readonly start: (request: SimulatedRequest, budgetMs: number) => void;
};

/**
 * The plainest way through a batch: one item at a time while the window is open, each with an equal share of the time
 * that is left until the deadline. Items that are left when the window closes stay undone.
 */
export class BatchRun {
  readonly #parts: BatchParts;
  readonly #waiting: SimulatedRequest[] = [];
  #busy = false;
  #woken = false;
  /** Wall clock of the simulation by which items count, ms. */
  readonly deadlineMs: number;

  constructor(parts: BatchParts) {
    this.#parts = parts;
    this.deadlineMs = parts.startMs + untilMinuteMs(parts.plan, parts.plan.batch?.deadlineMinute ?? 0);
  }

  /** An item has arrived. */
  add(request: SimulatedRequest): void {
    this.#waiting.push(request);
    this.#pump();
  }

  /** The item that was started has ended. */
  next(): void {
    this.#busy = false;
    this.#pump();
  }

  /** Items that never started; empty afterwards. */
  left(): readonly SimulatedRequest[] {
    return this.#waiting.splice(0);
  }

  #pump(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    const { window, time } = this.#parts;
    const leftMs = this.deadlineMs - time.nowMs();
    if (leftMs <= 0) return;
    const state = window === undefined ? undefined : windowState(window, time.nowMs());
    if (state !== undefined && !state.open) {
      this.#wakeAt(time.nowMs() + state.opensInMs);
      return;
    }
    const request = this.#waiting.shift();
    if (request === undefined) return;
    this.#busy = true;
    const share = Math.min(leftMs, state?.closesInMs ?? leftMs) / (this.#waiting.length + 1);
    this.#parts.start(request, share);
  }

  #wakeAt(timeMs: number): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#parts.time.at(timeMs, () => {
      this.#woken = false;
      this.#pump();
    });
  }
}
