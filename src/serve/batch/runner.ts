import type { Batches } from '../../batch/batches.ts';
import { expectedOf, learnPace, type Pace, safetyOf } from '../../batch/pace.ts';
import { type Plan, type PlannedJob, planBatch } from '../../batch/plan.ts';
import type { Batch, ClaimedJob, JobQueue } from '../../core/batch.ts';
import type { CancelTimer } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { EmitEvent } from '../../core/events.ts';
import type { ModelId } from '../../core/ids.ts';
import { openMsBetween } from '../../policy/windows.ts';
import { assessMemory } from '../../route/memory.ts';
import type { FileShelf } from '../../store/file-shelf.ts';
import { gateOf, windowsOf } from './gate.ts';
import { type ItemParts, type RunningItem, runItem } from './item.ts';
import { createResultKeeper, type ResultKeeper } from './keep-result.ts';
import { batchModels } from './models.ts';
import { type BatchOutlook, finishMsOf, type ToDo } from './outlook.ts';

// Runs the items of batches, one per lane of a device.
//
//   look ─▶ which batch? ─▶ gate: window, quiet, heat, load ─▶ plan ─▶ claim an item ─▶ run it ─▶ keep its result ─▶ look
//                                                                             ▲              │
//                                                                             └─ made way, child died, machine not ready
//
// It decides when to begin something and on which model; lanes, supervisor and retries are those of every request.

/** What running batches needs of the gateway. */
export type BatchRunnerParts = ItemParts & {
  readonly emit: EmitEvent;
  readonly batches: Batches;
  readonly queue: JobQueue;
  readonly shelf: FileShelf;
  /** Resolves a batch's own model by any of its names; undefined where nobody has it any more. */
  readonly modelOf: (name: string) => ModelId | undefined;
  /** Time since a request of people was there, ms. */
  readonly isDraining: () => boolean;
  readonly quietMs: () => number;
  readonly hottestCelsius: () => number | undefined;
  readonly foreignShare: () => number | undefined;
  readonly pace: { load(): Pace; save(pace: Pace): void };
};

/** Batches that run by themselves. */
export interface BatchRunner {
  outlook(id: string): BatchOutlook | undefined;
  /** Goes on with what the last process left, and from then on by itself. */
  start(): Promise<void>;
  /** Stops what runs, which will be run again, and begins nothing new. */
  close(): Promise<void>;
}

/** Gap between two looks where nothing calls for one: windows, temperatures and quiet change by themselves. */
const LOOK_EVERY_MS = 1_000;
/** Far longer than a renewal takes; it matters only to a second process on the same queue. */
const LEASE_MS = 600_000;
/** A plan is made anew after this long: rates are learned, and people take their share. */
const PLAN_AGE_MS = 60_000;
/** A model that could not be had is left alone for so long. */
const REST_MS = 30_000;

type Current = ToDo & { readonly plan: Plan; readonly madeMs: number; readonly next: PlannedJob[] };
type Running = {
  readonly item: RunningItem;
  readonly batch: string;
  readonly device: string;
  readonly model: ModelId;
  readonly line: number;
};

/** Makes a runner, which does nothing before `start`. */
export function createBatchRunner(parts: BatchRunnerParts): BatchRunner {
  return new Runner(parts);
}

class Runner implements BatchRunner {
  readonly #parts: BatchRunnerParts;
  readonly #keeper: ResultKeeper;
  readonly #running = new Set<Running>();
  readonly #ending = new Set<Promise<void>>();
  readonly #plans = new Map<string, Current>();
  readonly #states = new Map<string, string>();
  readonly #resting = new Map<ModelId, number>();
  /** By batch: open time used and items ended since this process began, and the time that was planned for them. */
  readonly #spent = new Map<string, { sinceMs: number; busyMs: number; plannedMs: number; items: number }>();
  #cancelTimer: CancelTimer = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #again = false;
  #isLooking = false;
  #closed = false;

  constructor(parts: BatchRunnerParts) {
    this.#parts = parts;
    this.#keeper = createResultKeeper(parts, () => this.#closed);
  }

  async start(): Promise<void> {
    const { batches, queue } = this.#parts;
    for (const { id } of batches.runnable()) await queue.reclaim(id);
    await batches.recover();
    batches.onChange(() => this.#look());
    this.#look();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    this.#parts.batches.close();
    for (const { item } of this.#running) item.stop();
    await this.#looking;
    await Promise.all(this.#ending);
    await this.#parts.batches.idle();
  }

  outlook(id: string): BatchOutlook | undefined {
    const current = this.#plans.get(id);
    const batch = this.#parts.batches.runnable().find((one) => one.id === id);
    if (batch === undefined) return undefined;
    const state = this.#states.get(id) ?? 'is looked at';
    const ended = batch.counts.done + batch.counts.failed;
    const spent = this.#spent.get(id);
    const perHour = spent === undefined || spent.busyMs <= 0 ? null : (spent.items * 3_600_000) / spent.busyMs;
    const itemsPerHour = perHour === null ? null : Math.round(perHour * 10) / 10;
    if (current === undefined) {
      return { state, planned: {}, inTime: ended, predictedFinish: null, promised: false, itemsPerHour };
    }
    const pace = this.#parts.pace.load();
    const finishMs = finishMsOf(this.#parts, current, expectedOf(pace));
    const latestMs = finishMsOf(this.#parts, current, safetyOf(pace));
    const { deadlineMs } = batch.request;
    return {
      state,
      planned: Object.fromEntries(current.plan.perModel) as Record<ModelId, number>,
      inTime: ended + Math.max(0, current.plan.inTime - (current.plan.order.length - current.next.length)),
      predictedFinish: Number.isFinite(finishMs) ? new Date(finishMs).toISOString() : null,
      promised: latestMs <= deadlineMs,
      itemsPerHour,
    };
  }

  #look(): void {
    if (this.#closed) return;
    this.#again = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#looking = this.#lookUntilDone().finally(() => {
      this.#isLooking = false;
      this.#schedule();
    });
  }

  #schedule(): void {
    this.#cancelTimer();
    if (!this.#closed) this.#cancelTimer = this.#parts.clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  async #lookUntilDone(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        this.#parts.batches.settle();
        await this.#startItems();
      } catch (error) {
        this.#notice('error', `batches: ${messageOf(error)}`);
        return;
      }
    }
  }

  async #startItems(): Promise<void> {
    const runnable = this.#parts.batches.runnable();
    const ids = new Set(runnable.map(({ id }) => id));
    for (const id of this.#plans.keys()) if (!ids.has(id)) this.#forget(id);
    for (const running of this.#running) if (!ids.has(running.batch)) running.item.stop();
    const takenMs = new Map<string, number>();
    for (const batch of runnable) {
      const gate = this.#gate(batch);
      if (gate !== undefined) this.#states.set(batch.id, gate);
      else await this.#advance(batch, takenMs);
    }
  }

  #gate(batch: Batch): string | undefined {
    const { policy, clock, isDraining, quietMs, hottestCelsius, foreignShare } = this.#parts;
    return gateOf({
      ...{ isDraining: isDraining(), batch, policy: policy().batch, nowMs: clock.nowMs(), quietMs: quietMs() },
      ...{ hottestCelsius: hottestCelsius(), foreignShare: foreignShare() },
    });
  }

  async #advance(batch: Batch, takenMs: Map<string, number>): Promise<void> {
    const current = await this.#planOf(batch, takenMs);
    for (const [device, busyMs] of current.plan.busyMs) takenMs.set(device, (takenMs.get(device) ?? 0) + busyMs);
    let state = this.#countOf(batch.id) > 0 ? 'running' : 'waits for a free lane';
    if (current.next.length === 0 && this.#countOf(batch.id) === 0) state = 'no model can take what is left';
    for (const device of new Set(current.next.map((planned) => planned.device))) {
      while (this.#hasRoom(device)) {
        const planned = current.next.find((one) => one.device === device);
        if (planned === undefined) break;
        const wait = this.#swapGate(planned.model);
        if (wait !== undefined) {
          state = wait;
          break;
        }
        current.next.splice(current.next.indexOf(planned), 1);
        if (await this.#begin(batch, planned)) state = 'running';
      }
    }
    this.#states.set(batch.id, state);
  }

  async #planOf(batch: Batch, takenMs: ReadonlyMap<string, number>): Promise<Current> {
    const { clock, policy, snapshot, queue, pace, modelOf } = this.#parts;
    const known = this.#plans.get(batch.id);
    const nowMs = clock.nowMs();
    const isFresh = known !== undefined && clock.monotonicMs() - known.madeMs < PLAN_AGE_MS;
    if (isFresh && (known.next.length > 0 || this.#countOf(batch.id) > 0)) return known;
    const only = batch.request.model === undefined ? undefined : (modelOf(batch.request.model) ?? '');
    const open = await queue.open(batch.id);
    const under = new Set([...this.#running].flatMap((running) => (running.batch === batch.id ? running.line : [])));
    const jobs = open.filter(({ line }) => !under.has(line));
    const models = batchModels({ batch, snapshot: snapshot(), policy: policy(), only, resting: this.#restingNow() });
    const openMs = openMsBetween(windowsOf(batch, policy().batch), nowMs, batch.request.deadlineMs);
    const lanes = new Map([...policy().devices.values()].map((device) => [device.id, device.lanes]));
    const plan = planBatch({ jobs, models, openMs, lanes, safety: safetyOf(pace.load()), takenMs });
    const current = { batch, plan, madeMs: clock.monotonicMs(), next: [...plan.order] };
    this.#plans.set(batch.id, current);
    return current;
  }

  #restingNow(): ReadonlySet<string> {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [model, untilMs] of this.#resting) if (untilMs <= nowMs) this.#resting.delete(model);
    return new Set(this.#resting.keys());
  }

  #hasRoom(device: string): boolean {
    const lanes = this.#parts.policy().devices.get(device)?.lanes ?? 0;
    return [...this.#running].filter((running) => running.device === device).length < lanes;
  }

  // A model that would push out another one waits until people have been quiet for a while: swapping back and forth
  // costs more than it brings.
  #swapGate(model: ModelId): string | undefined {
    const { policy, snapshot, quietMs } = this.#parts;
    const seen = snapshot();
    const view = seen.models.get(model);
    if (view === undefined) return undefined;
    const memory = assessMemory(model, view, seen);
    const mustSwap = memory.kind === 'evicts' || memory.kind === 'waits';
    if (!mustSwap || quietMs() >= policy().batch.swapBackMs) return undefined;
    return `waits with loading ${model} until nobody has asked for a while (batch.swap_back)`;
  }

  async #begin(batch: Batch, planned: PlannedJob): Promise<boolean> {
    const { queue, shelf } = this.#parts;
    const job = await queue.claim(batch.id, { leaseMs: LEASE_MS, line: planned.line });
    if (job === undefined) return false;
    let line: Buffer;
    try {
      line = await shelf.slice(batch.request.inputFile, job.offset, job.length);
    } catch (error) {
      await queue.giveBack(job, { crashed: false, lostMs: 0, preempted: false, partial: undefined });
      throw error;
    }
    if (this.#closed) return false;
    const item = runItem(this.#parts, { batch, job, model: planned.model, line });
    const running = { item, batch: batch.id, device: planned.device, model: planned.model, line: job.line };
    this.#running.add(running);
    const ending = this.#finish(job, planned, item)
      .catch((error: unknown) => this.#notice('error', `${batch.id} line ${job.line}: ${messageOf(error)}`))
      .finally(() => {
        this.#running.delete(running);
        this.#ending.delete(ending);
        this.#look();
      });
    this.#ending.add(ending);
    return true;
  }

  async #finish(job: ClaimedJob, planned: PlannedJob, item: RunningItem): Promise<void> {
    const startMs = this.#parts.clock.monotonicMs();
    const cancelRenewal = this.#renew(job, item);
    const end = await item.end;
    cancelRenewal();
    const tookMs = this.#parts.clock.monotonicMs() - startMs;
    await this.#keeper.keep(job, planned.model, { end, tookMs });
    if (end.kind === 'done') this.#learn(job.batch, { tookMs, plannedMs: planned.workMs });
    if (end.kind === 'preempted' || end.kind === 'later') this.#plans.delete(job.batch);
    if (end.kind === 'later' && !this.#closed) this.#rest(planned.model, end.error.message);
  }

  #renew(job: ClaimedJob, item: RunningItem): CancelTimer {
    const { clock, queue } = this.#parts;
    let cancel: CancelTimer = () => undefined;
    const again = () => {
      cancel = clock.after(LEASE_MS / 3, () => {
        again();
        queue.renew(job, LEASE_MS).then(
          (held) => {
            if (!held) item.stop();
          },
          // A disk that is full now may not be when the result is there.
          () => undefined,
        );
      });
    };
    again();
    return () => cancel();
  }

  #rest(model: ModelId, why: string): void {
    this.#resting.set(model, this.#parts.clock.monotonicMs() + REST_MS);
    this.#notice('warn', `batches leave ${model} alone for ${REST_MS / 1000} s: ${why}`);
  }

  #learn(batch: string, { tookMs, plannedMs }: { readonly tookMs: number; readonly plannedMs: number }): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const spent = this.#spent.get(batch) ?? { sinceMs: nowMs - tookMs, busyMs: 0, plannedMs: 0, items: 0 };
    spent.busyMs += tookMs;
    spent.plannedMs += plannedMs;
    spent.items += 1;
    this.#spent.set(batch, spent);
  }

  #forget(id: string): void {
    const spent = this.#spent.get(id);
    if (spent !== undefined) {
      const { pace } = this.#parts;
      pace.save(learnPace(pace.load(), spent.busyMs, spent.plannedMs));
    }
    this.#spent.delete(id);
    this.#plans.delete(id);
    this.#states.delete(id);
  }

  #countOf(batch: string): number {
    return [...this.#running].filter((running) => running.batch === batch).length;
  }

  #notice(level: 'info' | 'warn' | 'error', message: string): void {
    this.#parts.emit({ kind: 'gateway.notice', level, message });
  }
}
