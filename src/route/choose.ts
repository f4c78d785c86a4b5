import type { Slo } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Assessment } from './filter.ts';

/**
 * Best first among feasible candidates. The class's `prefer` leads whenever it is in the list: the operator's word beats
 * the formula. Then those that let running work go on, which is why a small model on an idle device answers at night
 * while an item of a batch runs; then by utility (`utility.ts`); equal utility goes to the shorter prediction, then to the
 * order of the policy.
 */
export function rankFeasible(feasible: readonly Assessment[], prefer: ModelId | undefined): Assessment[] {
  return feasible.toSorted((a, b) => {
    if (a.model.id === prefer) return -1;
    if (b.model.id === prefer) return 1;
    return interruptions(a) - interruptions(b) || (b.utility ?? 0) - (a.utility ?? 0) || e2eMs(a) - e2eMs(b);
  });
}

/** A candidate with this much room (target over prediction) may be explored, and may make way for one that is. */
const SLACK_MIN = 2;

/**
 * The candidate to try in place of the best, so that what is known of it stays fresh: the next best that is loaded, where
 * both meet a target twice over. Undefined where this request is none of the `share` that explores, or nobody is there.
 */
export function exploredOf(
  ranked: readonly Assessment[],
  slo: Slo,
  { draw, share }: { readonly draw: number | undefined; readonly share: number },
): Assessment | undefined {
  if (draw === undefined || draw >= share || (slo.ttftMs === undefined && slo.e2eMs === undefined)) return undefined;
  const [best, ...others] = ranked;
  if (best === undefined || best.strain > 1 / SLACK_MIN) return undefined;
  return others.find(({ strain, predicted }) => strain <= 1 / SLACK_MIN && predicted?.loadMs === 0);
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

const interruptions = ({ predicted }: Assessment): number => (predicted?.interrupts === true ? 1 : 0);
const e2eMs = ({ predicted }: Assessment): number => predicted?.e2eMs ?? Number.POSITIVE_INFINITY;
// Two that miss without bound (a lane that never frees) are equal, and Infinity - Infinity would be no number.
const byStrain = (a: Assessment, b: Assessment): number =>
  a.strain === b.strain ? e2eMs(a) - e2eMs(b) || 0 : a.strain - b.strain;
const byQuality = (a: Assessment, b: Assessment): number => b.quality - a.quality || e2eMs(a) - e2eMs(b);
