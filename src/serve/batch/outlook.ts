import type { Clock } from '../../core/clock.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { afterOpenMs } from '../../policy/windows.ts';
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
  /** Items that are being worked on: their device and how much of their planned time has not passed, ms. */
  readonly running: readonly { readonly device: string; readonly restMs: number }[];
};

/**
 * Expected end, wall clock in ms since 1970: what is left on the device with most of it, behind what batches with an
 * earlier deadline take of it, `factor` times as long as planned, in the open time of the batch's windows. Infinity where
 * these never open again.
 */
export function finishMsOf(
  { policy, clock }: { readonly policy: () => Policy; readonly clock: Clock },
  { plan, running }: OutlookInput,
  factor: number,
): number {
  const lanesOf = (device: string) => policy().devices.get(device)?.lanes ?? 1;
  const leftMs = new Map(plan.next.leftMs(lanesOf));
  for (const { device, restMs } of running) {
    leftMs.set(device, (leftMs.get(device) ?? 0) + restMs / lanesOf(device));
  }
  const ends = [...leftMs].map(([device, ms]) => (ms === 0 ? 0 : ms + (plan.takenMs.get(device) ?? 0)));
  const longestMs = Math.max(0, ...ends) * factor;
  return afterOpenMs(windowsOf(plan.batch, policy().batch), clock.nowMs(), longestMs);
}
