import { openPages } from '../../batch/open-pages.ts';
import type { Reserve } from '../../batch/pace.ts';
import { type Plan, type PlanModel, planPages } from '../../batch/plan.ts';
import type { Batch, JobQueue, OpenJob } from '../../core/batch.ts';
import type { ModelId } from '../../core/ids.ts';
import { openMsBetween } from '../../policy/windows.ts';
import { windowsOf } from './gate.ts';
import { batchModels } from './models.ts';
import type { BatchRunnerParts } from './runner.ts';
import { createToDo, type ToDo } from './to-do.ts';

/** A batch's plan and how far it has come. */
export type CurrentPlan = Pick<Plan, 'busyMs' | 'inTime' | 'perModel'> & {
  readonly batch: Batch;
  /** What was expected of a job on a model when the plan was made, ms; undefined where the model was not there. */
  readonly expectedMs: (model: ModelId, job: OpenJob) => number | undefined;
  /** Monotonic time from which on it is to be made anew, ms. */
  readonly staleMs: number;
  /** Jobs that were planned, and those that no model can take. */
  readonly size: number;
  readonly unplanned: number;
  /** True where jobs fell back to lesser models because time is short. */
  readonly isShort: boolean;
  /** Time before the deadline for which nothing was planned, ms. */
  readonly marginMs: number;
  readonly next: ToDo;
  /** What batches whose deadline comes first were to take of each device when the plan was made, ms. */
  readonly takenMs: ReadonlyMap<string, number>;
};

/** A plan is made anew after this long: rates are learned, and people take their share. */
const PLAN_AGE_MS = 60_000;
/** Fifty thousand jobs take a second or two of a small board's core to plan: no more than a hundredth of the time goes there. */
const PLAN_AGES_PER_MAKING = 100;

/** What a plan is made for. */
export type PlanTask = {
  readonly batch: Batch;
  /** Models that are left alone for now. */
  readonly resting: ReadonlySet<string>;
  /** Lines that are being worked on. */
  readonly underWay: ReadonlySet<number>;
  readonly takenMs: ReadonlyMap<string, number>;
  readonly reserve: Reserve;
};

/**
 * Share of a batch's time for which nothing is planned. What interrupts a night (a backup, heat, somebody who works late)
 * takes its time however little is left to do: a reserve that shrinks with the work would be gone by then.
 */
const MARGIN_SHARE = 0.08;

/** From here on, as a share of a batch's time that is left, no job goes to a model that is not loaded and better than one. */
const LATE_SHARE = 0.3;

// One long answer of a large model, for which there seemed to be time, would hold up all that is left.
function unlessBetter(model: PlanModel, all: readonly PlanModel[]): PlanModel {
  const lesser = all.filter(
    (other) => other.device === model.device && other.quality < model.quality && other.loadMs === 0,
  );
  if (model.loadMs === 0) return model;
  return {
    ...model,
    workMs: (job) =>
      job.model === undefined && lesser.some((other) => other.workMs(job) !== undefined)
        ? undefined
        : model.workMs(job),
  };
}

/** Plans what is open of a batch, page by page; rejects as the queue does. */
export async function makePlan(
  parts: Pick<BatchRunnerParts, 'clock' | 'policy' | 'snapshot' | 'queue' | 'modelOf'>,
  { batch, resting, underWay, takenMs, reserve }: PlanTask,
): Promise<CurrentPlan> {
  const { clock, policy, snapshot, queue, modelOf } = parts;
  const beginMs = clock.monotonicMs();
  const only = batch.request.model === undefined ? undefined : (modelOf(batch.request.model) ?? '');
  const openMs = openMsBetween(windowsOf(batch, policy().batch), clock.nowMs(), batch.request.deadlineMs);
  const lanes = new Map([...policy().devices.values()].map((device) => [device.id, device.lanes]));
  const taken = new Map(takenMs);
  const wholeMs = openMsBetween(windowsOf(batch, policy().batch), batch.times.createdMs, batch.request.deadlineMs);
  const marginMs = Math.min(openMs / 4, wholeMs * MARGIN_SHARE);
  const found = batchModels({ batch, snapshot: snapshot(), policy: policy(), only, resting });
  const models = openMs < wholeMs * LATE_SHARE ? found.map((model) => unlessBetter(model, found)) : found;
  const input = { models, openMs: openMs - marginMs, lanes, safety: reserve.plan, takenMs: taken };
  const plan = await planPages(input, jobsLeft(queue, batch.id, underWay));
  const { busyMs, inTime, perModel } = plan;
  const madeMs = clock.monotonicMs();
  const isShort = plan.order.some(({ insteadOf }) => insteadOf !== undefined);
  return {
    ...{ batch, busyMs, inTime, perModel, isShort, marginMs, takenMs: taken },
    unplanned: plan.unplanned.length,
    expectedMs: (id, job) => models.find((model) => model.id === id)?.workMs(job),
    staleMs: madeMs + Math.max(PLAN_AGE_MS, (madeMs - beginMs) * PLAN_AGES_PER_MAKING),
    size: plan.order.length,
    next: createToDo(plan),
  };
}

async function* jobsLeft(
  queue: JobQueue,
  batch: string,
  underWay: ReadonlySet<number>,
): AsyncGenerator<readonly OpenJob[]> {
  for await (const jobs of openPages(queue, batch)) yield jobs.filter(({ line }) => !underWay.has(line));
}
