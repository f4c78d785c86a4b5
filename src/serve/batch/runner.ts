import type { Batches } from '../../batch/batches.ts';
import type { Pace } from '../../batch/pace.ts';
import type { PlannedJob } from '../../batch/plan.ts';
import type { Batch, ClaimedJob, JobQueue } from '../../core/batch.ts';
import type { CancelTimer } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { EmitEvent } from '../../core/events.ts';
import type { ModelId } from '../../core/ids.ts';
import { windowsState } from '../../policy/windows.ts';
import type { FileShelf } from '../../store/file-shelf.ts';
import { type CurrentPlan, makePlan } from './current-plan.ts';
import { gateOf, swapGateOf, windowsOf } from './gate.ts';
import { type ItemParts, type RunningItem, runItem } from './item.ts';
import { createResultKeeper, type ResultKeeper } from './keep-result.ts';
import { type BatchOutlook, predict } from './outlook.ts';
import { createSpentBook, type SpentBook } from './spent.ts';

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
  readonly isDraining: () => boolean;
  /** See `people.ts`. */
  readonly quietMs: () => number;
  readonly usualGapMs?: () => number;
  readonly hottestCelsius: () => number | undefined;
  readonly foreignShare: () => number | undefined;
  readonly pace: { load(): Pace; save(pace: Pace): void };
  /** Runs an item; undefined = as a request of the gateway. Simulated nights have their own. */
  readonly run?: typeof runItem;
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
/** A model that could not be had is left alone for so long. */
const REST_MS = 30_000;

type Running = {
  readonly item: RunningItem;
  readonly batch: string;
  readonly planned: PlannedJob;
  readonly device: string;
  readonly model: ModelId;
  readonly line: number;
  /** Monotonic, ms. */
  readonly startMs: number;
  readonly plannedMs: number;
  /** What the batch's first plan expected, ms. */
  readonly promisedMs: number;
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
  readonly #plans = new Map<string, CurrentPlan>();
  readonly #states = new Map<string, string>();
  /** By batch: what its first plan expected of jobs. Promises were made by it, so the pace is learned against it. */
  readonly #firstPlans = new Map<string, CurrentPlan['expectedMs']>();
  readonly #resting = new Map<ModelId, number>();
  readonly #spent: SpentBook;
  /** Batches whose window is open and that nothing ran of after the last look, at a monotonic time, ms. */
  #held: { readonly batches: readonly string[]; readonly sinceMs: number } = { batches: [], sinceMs: 0 };
  #cancelTimer: CancelTimer = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #again = false;
  #isLooking = false;
  #closed = false;

  constructor(parts: BatchRunnerParts) {
    this.#parts = parts;
    this.#keeper = createResultKeeper(parts, () => this.#closed);
    this.#spent = createSpentBook(parts.pace);
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
    const itemsPerHour = this.#spent.itemsPerHour(id);
    if (current === undefined) {
      return { state, planned: {}, inTime: ended, predictedFinish: null, promised: false, itemsPerHour };
    }
    const nowMs = this.#parts.clock.monotonicMs();
    const running = [...this.#running].flatMap(({ batch: of, device, startMs, plannedMs }) =>
      of === id ? [{ device, restMs: Math.max(0, startMs + plannedMs - nowMs) }] : [],
    );
    return {
      state,
      planned: Object.fromEntries(current.perModel) as Record<ModelId, number>,
      inTime: ended + running.length + Math.max(0, current.inTime - (current.size - current.next.size)),
      ...predict(this.#parts, { plan: current, running, reserve: this.#spent.reserve(id) }),
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
    const nowMs = this.#parts.clock.monotonicMs();
    for (const id of this.#held.batches) this.#spent.waited(id, nowMs - this.#held.sinceMs);
    const takenMs = new Map<string, number>();
    for (const batch of runnable) {
      // One batch that cannot go on must not keep the others from it.
      await this.#advance(batch, takenMs).catch((error: unknown) => this.#say(batch.id, messageOf(error)));
    }
    const held = this.#running.size > 0 ? [] : runnable.filter((batch) => this.#isHeld(batch));
    this.#held = { batches: held.map(({ id }) => id), sinceMs: nowMs };
  }

  #isHeld(batch: Batch): boolean {
    const { clock, policy } = this.#parts;
    const isOpen = windowsState(windowsOf(batch, policy().batch), clock.nowMs()).open;
    return isOpen && (this.#plans.get(batch.id)?.next.size ?? 0) > 0;
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
    for (const [device, busyMs] of current.busyMs) takenMs.set(device, (takenMs.get(device) ?? 0) + busyMs);
    const { next } = current;
    let state = this.#gate(batch);
    for (const device of state === undefined ? next.devices() : []) {
      // What would push out a model that people use waits; what the plan gave to others need not.
      const waiting = new Set<ModelId>();
      for (let first = next.first(device); first !== undefined && this.#hasRoom(device); ) {
        const wait = swapGateOf(this.#parts, first.model);
        const taken = wait === undefined ? next.take(device, waiting) : undefined;
        if (taken === undefined) waiting.add(first.model);
        else await this.#begin(batch, taken);
        state ??= wait;
        first = next.first(device, waiting);
      }
    }
    const isRunning = this.#countOf(batch.id) > 0;
    if (isRunning) state = 'running';
    this.#states.set(batch.id, state ?? (next.size > 0 ? 'waits for a free lane' : 'no model can take what is left'));
  }

  async #planOf(batch: Batch, takenMs: ReadonlyMap<string, number>): Promise<CurrentPlan> {
    const known = this.#plans.get(batch.id);
    const isFresh = known !== undefined && this.#parts.clock.monotonicMs() < known.staleMs;
    if (isFresh && (known.next.size > 0 || known.unplanned > 0 || this.#countOf(batch.id) > 0)) return known;
    const lines = [...this.#running].flatMap((running) => (running.batch === batch.id ? running.line : []));
    const reserve = this.#spent.reserve(batch.id);
    const task = { batch, resting: this.#restingNow(), underWay: new Set(lines), takenMs, reserve };
    const current = await makePlan(this.#parts, task);
    this.#plans.set(batch.id, current);
    if (!this.#firstPlans.has(batch.id)) this.#firstPlans.set(batch.id, current.expectedMs);
    return current;
  }

  #restingNow(): ReadonlySet<string> {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [model, untilMs] of this.#resting) if (untilMs <= nowMs) this.#resting.delete(model);
    return new Set(this.#resting.keys());
  }

  // An item does not stand behind people: what was true when it was begun (its model is loaded, nobody has asked for a
  // while) would no longer be when its turn comes.
  #hasRoom(device: string): boolean {
    const lanes = this.#parts.policy().devices.get(device)?.lanes ?? 0;
    const lane = this.#parts.snapshot().lanes.get(device);
    const own = [...this.#running].filter((running) => running.device === device).length;
    return Math.max(own, (lane?.running.length ?? 0) + (lane?.waiting.length ?? 0)) < lanes;
  }

  async #begin(batch: Batch, { planned, loadMs }: { planned: PlannedJob; loadMs: number }): Promise<void> {
    const { queue, shelf, clock } = this.#parts;
    const job = await queue.claim(batch.id, { leaseMs: LEASE_MS, line: planned.line });
    if (job === undefined) return;
    let line: Buffer;
    try {
      line = await shelf.slice(batch.request.inputFile, job.offset, job.length);
    } catch (error) {
      await queue.giveBack(job, { crashed: false, lostMs: 0, preempted: false, partial: undefined });
      throw error;
    }
    if (this.#closed) return;
    const { device, model, insteadOf } = planned;
    const item = (this.#parts.run ?? runItem)(this.#parts, { batch, job, model, line, insteadOf });
    const promisedMs = (this.#firstPlans.get(batch.id)?.(model, job) ?? planned.workMs) + loadMs;
    const started = { startMs: clock.monotonicMs(), plannedMs: planned.workMs + loadMs, promisedMs };
    const running = { item, batch: batch.id, planned, device, model, line: job.line, ...started };
    this.#running.add(running);
    const ending = this.#finish(job, running)
      .catch((error: unknown) => this.#notice('error', `${batch.id} line ${job.line}: ${messageOf(error)}`))
      .finally(() => {
        this.#running.delete(running);
        this.#ending.delete(ending);
        this.#look();
      });
    this.#ending.add(ending);
  }

  async #finish(job: ClaimedJob, { item, planned, model, startMs, plannedMs, promisedMs }: Running): Promise<void> {
    const cancelRenewal = this.#renew(job, item);
    const end = await item.end;
    const tookMs = this.#parts.clock.monotonicMs() - startMs;
    // A full disk may keep the result waiting for longer than a lease lasts.
    await this.#keeper.keep(job, model, { end, tookMs }).finally(cancelRenewal);
    // One that was stopped by the end of its batch comes after what was learned of it.
    if (end.kind !== 'refused' && this.#firstPlans.has(job.batch)) {
      this.#spent.add(job.batch, { isDone: end.kind === 'done', tookMs, plannedMs, promisedMs });
    }
    // Whom it made way for should not have to share the machine with the making of a plan.
    if (end.kind === 'preempted') this.#plans.get(job.batch)?.next.putBack(planned);
    if (end.kind === 'later') this.#plans.delete(job.batch);
    // What was stopped because its batch has ended says nothing of the model.
    if (end.kind === 'later' && end.error.code !== 'shutting_down') this.#rest(model, end.error.message);
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

  #forget(id: string): void {
    this.#spent.close(id);
    this.#plans.delete(id);
    this.#firstPlans.delete(id);
    this.#states.delete(id);
  }

  // What stands in a batch's way; said once and not at every look.
  #say(batch: string, trouble: string): void {
    if (this.#states.get(batch) !== trouble) this.#notice('error', `${batch}: ${trouble}`);
    this.#states.set(batch, trouble);
  }

  #countOf(batch: string): number {
    return [...this.#running].filter((running) => running.batch === batch).length;
  }

  #notice(level: 'info' | 'warn' | 'error', message: string): void {
    this.#parts.emit({ kind: 'gateway.notice', level, message });
  }
}
