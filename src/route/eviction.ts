import type { ModelId } from '../core/ids.ts';

/** A child that holds memory now. */
export type MemoryHolder = {
  readonly id: ModelId;
  readonly bytes: number;
  /** Idle, so it may be stopped; a busy, loading or leaving child may not. */
  readonly idle: boolean;
  /** What bringing it back would cost, ms. */
  readonly reloadMs: number;
  /** How often it is asked for, so how likely it must be brought back. */
  readonly usesPerHour: number;
};

/** How to make room. */
export type EvictionPlan =
  | { readonly kind: 'fits' }
  /** Stopping these idle children makes room. */
  | { readonly kind: 'evict'; readonly victims: readonly ModelId[] }
  /** Room comes only when these, busy now, have finished. */
  | { readonly kind: 'wait'; readonly blockers: readonly ModelId[] }
  /** It is larger than the whole budget. */
  | { readonly kind: 'never' };

/**
 * Chooses whom to stop so that `needBytes` fit into `budgetBytes`: idle children, those first whose return would cost
 * least per hour (reload time times use rate; among those nobody uses, the cheapest reload), no more than needed; never a
 * busy one. Where the idle ones do not suffice, names the busy ones to wait for, in the same order. Pure: may be asked
 * speculatively; the router asks what a load would evict, the supervisor whom to stop.
 */
export function planEviction(needBytes: number, budgetBytes: number, holders: readonly MemoryHolder[]): EvictionPlan {
  if (needBytes > budgetBytes) return { kind: 'never' };
  const held = holders.reduce((sum, holder) => sum + holder.bytes, 0);
  const missing = needBytes - (budgetBytes - held);
  if (missing <= 0) return { kind: 'fits' };
  const byCost = holders.toSorted(
    (a, b) => returnMsPerHour(a) - returnMsPerHour(b) || a.reloadMs - b.reloadMs || b.bytes - a.bytes,
  );
  const victims = cheapestCovering(
    missing,
    byCost.filter((holder) => holder.idle),
  );
  if (victims !== undefined) return { kind: 'evict', victims: victims.map((holder) => holder.id) };
  const idleBytes = byCost.reduce((sum, holder) => sum + (holder.idle ? holder.bytes : 0), 0);
  const blockers = cheapestCovering(
    missing - idleBytes,
    byCost.filter((holder) => !holder.idle),
  );
  return { kind: 'wait', blockers: (blockers ?? []).map((holder) => holder.id) };
}

/** Reload time a holder's absence would cost in an hour, ms. */
export const returnMsPerHour = ({ reloadMs, usesPerHour }: MemoryHolder): number => reloadMs * usesPerHour;

// Greedy from the cheapest; then, from the dearest back, whoever turned out not to be needed is spared: taking a small
// cheap child first can make no difference once a big one had to go as well.
function cheapestCovering(missing: number, byCost: readonly MemoryHolder[]): readonly MemoryHolder[] | undefined {
  const taken: MemoryHolder[] = [];
  let covered = 0;
  for (const holder of byCost) {
    if (covered >= missing) break;
    taken.push(holder);
    covered += holder.bytes;
  }
  if (covered < missing) return undefined;
  return taken.toReversed().filter((holder) => {
    const spare = covered - holder.bytes >= missing;
    if (spare) covered -= holder.bytes;
    return !spare;
  });
}
