import type { Slo } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Assessment } from './filter.ts';

/**
 * Price of a lane's congestion and of a load, in quality per share of the end-to-end target (reference simulation:
 * mu = 0.15, nu = 0.1, both of small effect). They make a busy machine prefer shorter runs and a loaded model.
 */
const CONGESTION_PRICE = 0.15;
const LOAD_PRICE = 0.1;

/**
 * Best first among feasible candidates. The class's `prefer` leads whenever it is in the list: the operator's word beats
 * the formula. Then by utility
 *
 *   U = quality - mu * occupancy * (prefill + decode) / D - nu * load / D        D = end-to-end target
 *
 * where occupancy = (running + waiting) / lanes of the device (of an M/M/1 lane this is rho / (1 - rho)). Without a
 * target only quality counts. Equal utility goes to the shorter prediction, then to the order of the policy.
 */
export function rankFeasible(feasible: readonly Assessment[], slo: Slo, prefer: ModelId | undefined): Assessment[] {
  const ranked = feasible.map((assessment) => ({ assessment, utility: utilityOf(assessment, slo) }));
  ranked.sort((a, b) => {
    if (a.assessment.model.id === prefer) return -1;
    if (b.assessment.model.id === prefer) return 1;
    if (a.utility !== b.utility) return b.utility - a.utility;
    return e2eMs(a.assessment) - e2eMs(b.assessment);
  });
  return ranked.map(({ assessment }) => assessment);
}

/**
 * Best first among candidates of which none meets everything. Those at the quality floor come first, the one that
 * misses its targets by the smallest factor leading: the floor is kept and time gives way. When nobody reaches the
 * floor it gives way too: best quality among those in time, else the smallest miss.
 */
export function rankDegraded(usable: readonly Assessment[]): Assessment[] {
  const atFloor = usable.filter((assessment) => assessment.meetsQuality).sort(byStrain);
  const inTime = usable.filter(({ meetsQuality, strain }) => !meetsQuality && strain <= 1).sort(byQuality);
  const late = usable.filter(({ meetsQuality, strain }) => !meetsQuality && strain > 1).sort(byStrain);
  return [...atFloor, ...inTime, ...late];
}

/** Utility as described at {@link rankFeasible}; without a prediction, quality alone. */
export function utilityOf({ quality, predicted, lane }: Assessment, slo: Slo): number {
  if (predicted === undefined || slo.e2eMs === undefined || slo.e2eMs <= 0) return quality;
  const occupancy =
    lane === undefined || lane.lanes <= 0 ? 0 : (lane.running.length + lane.waiting.length) / lane.lanes;
  const runShare = (predicted.prefillMs + predicted.decodeMs) / slo.e2eMs;
  return quality - CONGESTION_PRICE * occupancy * runShare - LOAD_PRICE * (predicted.loadMs / slo.e2eMs);
}

const e2eMs = ({ predicted }: Assessment): number => predicted?.e2eMs ?? Number.POSITIVE_INFINITY;
// Two that miss without bound (a lane that never frees) are equal, and Infinity - Infinity would be no number.
const byStrain = (a: Assessment, b: Assessment): number =>
  a.strain === b.strain ? e2eMs(a) - e2eMs(b) || 0 : a.strain - b.strain;
const byQuality = (a: Assessment, b: Assessment): number => b.quality - a.quality || e2eMs(a) - e2eMs(b);
