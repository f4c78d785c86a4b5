import type { Prediction } from '../core/decision.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { RoutingPolicy } from '../core/policy.ts';
import type { LaneView } from '../core/snapshot.ts';

/** What a candidate's utility is made of. */
export type Priced = {
  readonly quality: number;
  /** {@link chanceInTime} of the end-to-end target. */
  readonly chance: number;
  readonly predicted: Prediction;
  /** {@link loadOf} its device. */
  readonly deviceLoad: number;
  /** Undefined where nobody has to go; else the reload time that is to be expected of those who do, ms. */
  readonly swapReturnMs: number | undefined;
  /** End-to-end target, ms. */
  readonly e2eTargetMs: number | undefined;
};

/**
 * What choosing a candidate is worth, in quality:
 *
 *   U = q * p - mu * load * T / D - nu * (L + R) / D - s * (1 + swaps) + b * H / P
 *
 * q quality at the task that is counted on, p chance to end in time, T expected work (prefill and median decode), D
 * end-to-end target, L load ahead, R expected reload of whom it evicts, H of the P prompt tokens in its cache. q * p is
 * what the answer is expected to be worth: of two that keep the promise, the better one may be the likelier to be late. The margin s is there only where
 * somebody must go, and grows with the swaps of the last minutes: two models that take turns in memory cost more time
 * than either saves. The prices mu, nu, s, b are the policy's (`routing`). Without a target, time has no price.
 */
export function utilityOf(priced: Priced, routing: RoutingPolicy, recentSwaps: number): number {
  const { predicted, swapReturnMs, e2eTargetMs } = priced;
  let utility =
    priced.quality * priced.chance + (routing.conversationBonus * predicted.cachedTokens) / predicted.promptTokens;
  if (swapReturnMs !== undefined) utility -= routing.swapMargin * (1 + recentSwaps);
  if (e2eTargetMs === undefined || e2eTargetMs <= 0) return utility;
  const workShare = (predicted.prefillMs + predicted.decodeMedianMs) / e2eTargetMs;
  const loadShare = (predicted.loadMs + (swapReturnMs ?? 0)) / e2eTargetMs;
  return utility - routing.congestionPrice * priced.deviceLoad * workShare - routing.loadPrice * loadShare;
}

/**
 * How busy a device is: of an M/M/1 lane rho / (1 - rho), the mean number of requests in it. The larger of what it is
 * now, (running + waiting) / lanes, and what its utilisation of the last quarter of an hour says.
 */
export function loadOf(lane: LaneView, knowledge: Knowledge, nowMs: number): number {
  const now = lane.lanes <= 0 ? 0 : (lane.running.length + lane.waiting.length) / lane.lanes;
  const rho = knowledge.utilisation(lane.device, nowMs);
  return Math.max(now, rho / (1 - rho));
}
