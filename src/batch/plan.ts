import type { OpenJob } from '../core/batch.ts';
import type { ModelId } from '../core/ids.ts';

/** A model as the planner sees it. */
export type PlanModel = {
  readonly id: ModelId;
  readonly device: string;
  /** Quality that is counted on, 0..1. */
  readonly quality: number;
  /** What loading it takes before its first job, ms; 0 where it is loaded. */
  readonly loadMs: number;
  /** Expected time of a job once the model is loaded, ms; undefined where the job does not fit its context. */
  readonly workMs: (job: OpenJob) => number | undefined;
};

/** What is to be planned. */
export type PlanInput = {
  readonly jobs: readonly OpenJob[];
  /** Models that may be used, in any order. */
  readonly models: readonly PlanModel[];
  /** Time in which jobs may run until the deadline, ms. */
  readonly openMs: number;
  /** Jobs at a time by device; 1 where a device is not named. */
  readonly lanes?: ReadonlyMap<string, number>;
  /** Expected times are multiplied by this before they are held against the time there is. */
  readonly safety: number;
  /** What other batches, whose deadline comes first, will take of each device, ms. */
  readonly takenMs?: ReadonlyMap<string, number>;
};

/** Who does what, in which order. */
export type Plan = {
  /** Jobs in the order to run them, per device: a model's jobs together, better models first. */
  readonly order: readonly PlannedJob[];
  /** Jobs expected to be done by the deadline. */
  readonly inTime: number;
  /** Expected time of each device, ms, loads included and without the safety factor. */
  readonly busyMs: ReadonlyMap<string, number>;
  /** Jobs per model. */
  readonly perModel: ReadonlyMap<ModelId, number>;
  /** Lines no model can take: too long for every context. */
  readonly unplanned: readonly number[];
};

/** A job with the model that is to do it. */
export type PlannedJob = {
  readonly line: number;
  readonly model: ModelId;
  readonly device: string;
  readonly workMs: number;
  /** Set where a better model would have been used, had there been time: which, for the record. */
  readonly insteadOf: ModelId | undefined;
};

/**
 * Gives each job the best model with which everything still ends in time.
 *
 *   all jobs to the best model that can take them
 *   a device with more work than time: the jobs that save most time go to the next model below, until it fits
 *   so on down to the last model; what then still does not fit is late
 *
 * Better models go first: should the night turn out slower than expected, what is left can still fall back. Time is
 * O(models · jobs · log jobs). Pure.
 */
export function planBatch(input: PlanInput): Plan {
  const models = [...input.models].sort((a, b) => b.quality - a.quality || a.loadMs - b.loadMs);
  const work = new Workbench(input, models);
  for (let model = 0; model < models.length; model += 1) work.relieve(model);
  return work.plan();
}

type Assigned = { readonly job: OpenJob; model: number; readonly wanted: number };

class Workbench {
  readonly #input: PlanInput;
  readonly #models: readonly PlanModel[];
  readonly #assigned: Assigned[] = [];
  readonly #unplanned: number[] = [];

  constructor(input: PlanInput, models: readonly PlanModel[]) {
    this.#input = input;
    this.#models = models;
    for (const job of input.jobs) {
      const model = this.#nextModel(job, 0);
      if (model === undefined) this.#unplanned.push(job.line);
      else this.#assigned.push({ job, model, wanted: model });
    }
  }

  /** Moves jobs away from a model until its device has time for what is on it. */
  relieve(model: number): void {
    const device = this.#models[model]?.device ?? '';
    const excessMs = this.#busyMs(device) * this.#input.safety - this.#timeMs(device);
    if (excessMs <= 0) return;
    const moves = this.#assigned.flatMap((entry) => (entry.model === model ? this.#moveOf(entry) : []));
    moves.sort((a, b) => b.savedMs - a.savedMs);
    let leftMs = excessMs;
    for (const { entry, to, savedMs } of moves) {
      if (leftMs <= 0) break;
      if (savedMs <= 0) break;
      entry.model = to;
      leftMs -= savedMs * this.#input.safety;
    }
  }

  plan(): Plan {
    const order = this.#assigned
      .toSorted((a, b) => a.model - b.model || a.job.line - b.job.line)
      .flatMap(({ job, model, wanted }) => this.#planned(job, model, wanted));
    const devices = new Set(this.#models.map(({ device }) => device));
    const perModel = new Map<ModelId, number>();
    for (const { model } of order) perModel.set(model, (perModel.get(model) ?? 0) + 1);
    return {
      order,
      inTime: this.#countInTime(order),
      busyMs: new Map([...devices].map((device) => [device, this.#busyMs(device)])),
      perModel,
      unplanned: this.#unplanned,
    };
  }

  #planned(job: OpenJob, model: number, wanted: number): PlannedJob[] {
    const chosen = this.#models[model];
    const workMs = chosen?.workMs(job);
    if (chosen === undefined || workMs === undefined) return [];
    const { id, device } = chosen;
    return [
      { line: job.line, model: id, device, workMs, insteadOf: model === wanted ? undefined : this.#models[wanted]?.id },
    ];
  }

  #nextModel(job: OpenJob, from: number): number | undefined {
    for (let model = from; model < this.#models.length; model += 1) {
      if (this.#models[model]?.workMs(job) !== undefined) return model;
    }
    return undefined;
  }

  // The next model that can take the job; on the same device it saves the difference, on another all of it.
  #moveOf(entry: Assigned): { entry: Assigned; to: number; savedMs: number }[] {
    const to = this.#nextModel(entry.job, entry.model + 1);
    const from = this.#models[entry.model];
    const target = to === undefined ? undefined : this.#models[to];
    const nowMs = from?.workMs(entry.job);
    const thenMs = target?.workMs(entry.job);
    if (to === undefined || nowMs === undefined || thenMs === undefined) return [];
    const lanes = this.#lanesOf(from?.device ?? '');
    return [{ entry, to, savedMs: (from?.device === target?.device ? nowMs - thenMs : nowMs) / lanes }];
  }

  #busyMs(device: string): number {
    let workMs = 0;
    const used = new Set<number>();
    for (const { job, model } of this.#assigned) {
      if (this.#models[model]?.device !== device) continue;
      used.add(model);
      workMs += this.#models[model]?.workMs(job) ?? 0;
    }
    let loadMs = 0;
    for (const model of used) loadMs += this.#models[model]?.loadMs ?? 0;
    return workMs / this.#lanesOf(device) + loadMs;
  }

  #timeMs(device: string): number {
    return this.#input.openMs - (this.#input.takenMs?.get(device) ?? 0);
  }

  #lanesOf(device: string): number {
    return this.#input.lanes?.get(device) ?? 1;
  }

  #countInTime(order: readonly PlannedJob[]): number {
    const spentMs = new Map<string, number>();
    const loaded = new Set<ModelId>();
    let inTime = 0;
    for (const { model, device, workMs } of order) {
      const loadMs = loaded.has(model) ? 0 : (this.#models.find(({ id }) => id === model)?.loadMs ?? 0);
      loaded.add(model);
      const endMs = (spentMs.get(device) ?? 0) + workMs / this.#lanesOf(device) + loadMs;
      spentMs.set(device, endMs);
      if (endMs * this.#input.safety <= this.#timeMs(device)) inTime += 1;
    }
    return inTime;
  }
}
