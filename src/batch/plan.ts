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
  /**
   * Expected times are multiplied by this before they are held against the time there is; by the sum of the squared
   * shares of the jobs in it, see `batch/pace.ts`.
   */
  readonly safety: (concentration: number) => number;
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
  /** What loading them takes, ms, by the models that have jobs. */
  readonly loadMs: ReadonlyMap<ModelId, number>;
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
  const work = new Workbench(input);
  work.add(input.jobs.toSorted((a, b) => a.line - b.line));
  const steps = work.steps();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * The same for jobs that come in pages, in the order of their lines. Everybody else has a turn between two steps: fifty
 * thousand jobs would keep the process for too long, and only numbers are kept of them.
 */
export async function planPages(
  input: Omit<PlanInput, 'jobs'>,
  pages: AsyncIterable<readonly OpenJob[]>,
): Promise<Plan> {
  const work = new Workbench(input);
  for await (const jobs of pages) {
    work.add(jobs);
    await othersTurn();
  }
  const steps = work.steps();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await othersTurn();
  }
}

const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Jobs put in order in one step, some milliseconds. */
const JOBS_PER_STEP = 5_000;
const isStepFull = (jobs: number): boolean => jobs % JOBS_PER_STEP === JOBS_PER_STEP - 1;
/** Time of a job that a model cannot do. */
const CANNOT = Number.NaN;
const NOBODY = -1;

// A job is a row of numbers: its line, and the time it would take each model; models by their place, the best first.
class Workbench {
  readonly #input: Omit<PlanInput, 'jobs'>;
  readonly #models: readonly PlanModel[];
  readonly #lines: number[] = [];
  readonly #workMs: readonly number[][];
  readonly #chosen: number[] = [];
  readonly #wanted: number[] = [];
  /** By model: how many jobs it has, and their time, ms. */
  readonly #counts: number[];
  readonly #sumMs: number[];
  readonly #squares: number[];

  constructor(input: Omit<PlanInput, 'jobs'>) {
    this.#input = input;
    this.#models = [...input.models].sort((a, b) => b.quality - a.quality || a.loadMs - b.loadMs);
    this.#workMs = this.#models.map(() => []);
    this.#counts = this.#models.map(() => 0);
    this.#sumMs = this.#models.map(() => 0);
    this.#squares = this.#models.map(() => 0);
  }

  add(jobs: readonly OpenJob[]): void {
    for (const job of jobs) {
      this.#models.forEach((model, place) => {
        this.#workMs[place]?.push(model.workMs(job) ?? CANNOT);
      });
      const row = this.#lines.push(job.line) - 1;
      const wanted = this.#nextModel(row, 0);
      this.#wanted.push(wanted);
      this.#chosen.push(NOBODY);
      this.#choose(row, wanted);
    }
  }

  /** All that follows once the jobs are there, in steps that may be apart. */
  *steps(): Generator<undefined, Plan> {
    for (let model = 0; model < this.#models.length; model += 1) {
      // Fewer jobs even each other out less, so that what was enough may not be any more.
      while (yield* this.#relieve(model)) yield;
      yield;
    }
    const order: PlannedJob[] = [];
    const inTime = this.#counterInTime();
    for (let model = 0; model < this.#models.length; model += 1) {
      for (const row of this.#rowsOf(model)) {
        const planned = this.#planned(row, model);
        order.push(planned);
        inTime.add(planned);
        if (isStepFull(order.length)) yield;
      }
    }
    return this.#plan(order, inTime.count());
  }

  // Moves jobs away from a model until its device has time for what is on it; those that save most go first. Returns false
  // where nothing moved.
  *#relieve(model: number): Generator<undefined, boolean> {
    const device = this.#models[model]?.device ?? '';
    const safety = this.#safetyOf(device);
    let excessMs = this.#busyMs(device) * safety - this.#timeMs(device);
    if (excessMs <= 0) return false;
    const rows = this.#rowsOf(model);
    const savedMs = yield* this.#savings(rows, model);
    const sorted = savedMs.toSorted();
    yield;
    let moves = 0;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let place = sorted.length - 1; place >= 0 && excessMs > 0; place -= 1) {
      const saved = sorted[place] ?? 0;
      if (saved <= 0) break;
      leastMs = saved;
      moves += 1;
      excessMs -= saved * safety;
    }
    // Of those that save as much as the last one that has to go, the first lines go.
    let equals = moves - savedMs.reduce((count, saved) => (saved > leastMs ? count + 1 : count), 0);
    for (const [place, row] of rows.entries()) {
      const saved = savedMs[place] ?? 0;
      if (saved > leastMs || (saved === leastMs && equals > 0)) this.#choose(row, this.#nextModel(row, model + 1));
      if (saved === leastMs) equals -= 1;
      if (isStepFull(place)) yield;
    }
    return moves > 0;
  }

  // What each of a model's jobs would save by going to the next one.
  *#savings(rows: readonly number[], model: number): Generator<undefined, Float64Array> {
    const savedMs = new Float64Array(rows.length);
    for (const [place, row] of rows.entries()) {
      savedMs[place] = this.#savedMs(row, model);
      if (isStepFull(place)) yield;
    }
    return savedMs;
  }

  #plan(order: readonly PlannedJob[], inTime: number): Plan {
    const devices = new Set(this.#models.map(({ device }) => device));
    const used = this.#models.filter((_, model) => (this.#counts[model] ?? 0) > 0);
    return {
      order,
      inTime,
      busyMs: new Map([...devices].map((device) => [device, this.#busyMs(device)])),
      perModel: new Map(used.map((model) => [model.id, this.#counts[this.#models.indexOf(model)] ?? 0])),
      loadMs: new Map(used.map(({ id, loadMs }) => [id, loadMs])),
      unplanned: this.#rowsOf(NOBODY).map((row) => this.#lines[row] ?? 0),
    };
  }

  #choose(row: number, model: number): void {
    this.#count(row, -1);
    this.#chosen[row] = model;
    this.#count(row, 1);
  }

  #count(row: number, sign: 1 | -1): void {
    const model = this.#chosen[row] ?? NOBODY;
    if (model === NOBODY) return;
    this.#counts[model] = (this.#counts[model] ?? 0) + sign;
    const workMs = this.#timeOf(row, model);
    this.#sumMs[model] = (this.#sumMs[model] ?? 0) + sign * workMs;
    this.#squares[model] = (this.#squares[model] ?? 0) + sign * workMs * workMs;
  }

  #timeOf(row: number, model: number): number {
    return this.#workMs[model]?.[row] ?? CANNOT;
  }

  #rowsOf(model: number): number[] {
    const rows: number[] = [];
    this.#chosen.forEach((chosen, row) => {
      if (chosen === model) rows.push(row);
    });
    return rows;
  }

  #planned(row: number, model: number): PlannedJob {
    const { id, device } = this.#models[model] as PlanModel;
    const wanted = this.#models[this.#wanted[row] ?? model]?.id;
    return {
      line: this.#lines[row] ?? 0,
      model: id,
      device,
      workMs: this.#timeOf(row, model),
      insteadOf: wanted === id ? undefined : wanted,
    };
  }

  #nextModel(row: number, from: number): number {
    for (let model = from; model < this.#models.length; model += 1) {
      if (!Number.isNaN(this.#timeOf(row, model))) return model;
    }
    return NOBODY;
  }

  // What going to the next model that can take it saves: on the same device the difference, on another all of it.
  #savedMs(row: number, model: number): number {
    const to = this.#nextModel(row, model + 1);
    if (to === NOBODY) return 0;
    const device = this.#models[model]?.device ?? '';
    const nowMs = this.#timeOf(row, model);
    const thenMs = this.#models[to]?.device === device ? this.#timeOf(row, to) : 0;
    return (nowMs - thenMs) / this.#lanesOf(device);
  }

  #busyMs(device: string): number {
    let workMs = 0;
    let loadMs = 0;
    this.#models.forEach((model, place) => {
      if (model.device !== device || (this.#counts[place] ?? 0) === 0) return;
      workMs += this.#sumMs[place] ?? 0;
      loadMs += model.loadMs;
    });
    return workMs / this.#lanesOf(device) + loadMs;
  }

  #safetyOf(device: string): number {
    let workMs = 0;
    let squares = 0;
    this.#models.forEach((model, place) => {
      if (model.device !== device) return;
      workMs += this.#sumMs[place] ?? 0;
      squares += this.#squares[place] ?? 0;
    });
    return this.#input.safety(workMs > 0 ? Math.min(1, Math.max(0, squares) / workMs ** 2) : 0);
  }

  #timeMs(device: string): number {
    return this.#input.openMs - (this.#input.takenMs?.get(device) ?? 0);
  }

  #lanesOf(device: string): number {
    return this.#input.lanes?.get(device) ?? 1;
  }

  // Counts jobs, in the order in which they are to run, that end before the time is over.
  #counterInTime(): { add(planned: PlannedJob): void; count(): number } {
    const spentMs = new Map<string, number>();
    const loadMs = new Map(this.#models.map((model) => [model.id, model.loadMs]));
    const safeties = new Map(this.#models.map(({ device }) => [device, this.#safetyOf(device)]));
    let inTime = 0;
    return {
      add: ({ model, device, workMs }) => {
        const endMs = (spentMs.get(device) ?? 0) + workMs / this.#lanesOf(device) + (loadMs.get(model) ?? 0);
        loadMs.delete(model);
        spentMs.set(device, endMs);
        if (endMs * (safeties.get(device) ?? 1) <= this.#timeMs(device)) inTime += 1;
      },
      count: () => inTime,
    };
  }
}
