import type { Reserve } from '../../batch/pace.ts';
import type { Clock } from '../../core/clock.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { afterOpenMs, openMsBetween } from '../../policy/windows.ts';
import type { CurrentPlan } from './current-plan.ts';
import { windowsOf } from './gate.ts';

/** What may be expected of a batch that has not ended. */
export type BatchOutlook = {
  /** What is being done about it, for people: `running`, `waits for its window, which opens in 3 h`, … */
  readonly state: string;
  /** Items by the model that is to do them. */
  readonly planned: Readonly<Record<ModelId, number>>;
  /** Items expected to be done by the deadline, those that are done included. */
  readonly inTime: number;
  /** Expected end, wall clock in ISO form; null where it would not end at all. */
  readonly predictedFinish: string | null;
  /** True where the reserve learned from past nights is kept as well. */
  readonly promised: boolean;
  /** Items finished per hour of running so far; null before the first. */
  readonly itemsPerHour: number | null;
};

/** What an outlook is taken from. */
export type OutlookInput = {
  readonly plan: CurrentPlan;
  readonly reserve: Reserve;
  /** Items that are being worked on: their device and how much of their planned time has not passed, ms. */
  readonly running: readonly { readonly device: string; readonly restMs: number }[];
};

/**
 * When a batch is expected to end, and whether its deadline would be kept in 19 nights of 20. The end is that of the
 * device with most to do, behind what batches with an earlier deadline take of it, in the open time of the batch's
 * windows. Where jobs fell back because time is short, the reserve goes to better models bit by bit as it turns out not
 * to be needed, so that such a batch uses most of its time.
 */
export function predict(
  { policy, clock }: { readonly policy: () => Policy; readonly clock: Clock },
  input: OutlookInput,
): Pick<BatchOutlook, 'predictedFinish' | 'promised'> {
  const { plan } = input;
  if (plan.unplanned > 0) return { predictedFinish: null, promised: false };
  const { deadlineMs } = plan.batch.request;
  const windows = windowsOf(plan.batch, policy().batch);
  const nowMs = clock.nowMs();
  const { expectedMs, safeMs } = timesOf(policy(), input);
  const openMs = openMsBetween(windows, nowMs, deadlineMs);
  const filledMs = plan.isShort ? Math.max(0, openMs - plan.marginMs) * FILLED_SHARE : 0;
  const finishMs = afterOpenMs(windows, nowMs, Math.max(expectedMs, filledMs));
  return {
    predictedFinish: Number.isFinite(finishMs) ? new Date(finishMs).toISOString() : null,
    promised: afterOpenMs(windows, nowMs, safeMs) <= deadlineMs,
  };
}

/**
 * How much of the time it may use a batch uses that is short of it: the middle of 875 simulated nights, of which seven of
 * ten ended within a tenth of it (`scripts/batch-nights.ts`).
 */
const FILLED_SHARE = 0.87;

// Time that the busiest device needs, as expected and with its reserve, ms.
function timesOf(
  policy: Policy,
  { plan, running, reserve }: OutlookInput,
): { readonly expectedMs: number; readonly safeMs: number } {
  let [expectedMs, safeMs] = [0, 0];
  for (const device of policy.devices.values()) {
    const rests = running.flatMap((one) => (one.device === device.id ? one.restMs : []));
    const { workMs, squares, loadMs } = plan.next.left(device.id);
    const allMs = rests.reduce((sum, ms) => sum + ms, workMs);
    if (allMs <= 0) continue;
    const concentration = rests.reduce((sum, ms) => sum + ms * ms, squares) / allMs ** 2;
    const plannedMs = allMs / device.lanes + loadMs + (plan.takenMs.get(device.id) ?? 0);
    expectedMs = Math.max(expectedMs, plannedMs * reserve.expected);
    safeMs = Math.max(safeMs, plannedMs * reserve.promise(concentration));
  }
  return { expectedMs, safeMs };
}
