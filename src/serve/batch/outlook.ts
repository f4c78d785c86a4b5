import type { PlannedJob } from '../../batch/plan.ts';
import type { Batch } from '../../core/batch.ts';
import type { Clock } from '../../core/clock.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { afterOpenMs } from '../../policy/windows.ts';
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

/** What of a batch is still to be begun. */
export type ToDo = { readonly batch: Batch; readonly next: readonly PlannedJob[] };

/**
 * Expected end, wall clock in ms since 1970: what is left on the device with most of it, `factor` times as long as
 * planned, in the open time of the batch's windows. Infinity where these never open again.
 */
export function finishMsOf(
  { policy, clock }: { readonly policy: () => Policy; readonly clock: Clock },
  { batch, next }: ToDo,
  factor: number,
): number {
  const left = new Map<string, number>();
  for (const { device, workMs } of next) {
    const lanes = policy().devices.get(device)?.lanes ?? 1;
    left.set(device, (left.get(device) ?? 0) + workMs / lanes);
  }
  const longestMs = Math.max(0, ...left.values()) * factor;
  return afterOpenMs(windowsOf(batch, policy().batch), clock.nowMs(), longestMs);
}
