import type { ModelId } from '../core/ids.ts';
import { loadMsBySize } from '../core/size-law.ts';
import type { LaneEntry, ModelView, Snapshot } from '../core/snapshot.ts';
import { type MemoryHolder, planEviction } from './eviction.ts';
import { runningAfterYield } from './preemption.ts';

/** Whether a model's memory can be had, and at what price. */
export type MemoryVerdict =
  /** Loaded, or free memory is enough. */
  | { readonly kind: 'fits' }
  /** Idle children must go first: time until they have, and the reload time to be expected of their absence, ms. */
  | { readonly kind: 'evicts'; readonly bytes: number; readonly unloadMs: number; readonly returnMs: number }
  /** Only after busy children have finished and gone. */
  | { readonly kind: 'waits'; readonly waitMs: number }
  /** More than the whole budget: never. */
  | { readonly kind: 'never'; readonly needBytes: number; readonly budgetBytes: number };

/**
 * What it takes to have the model in memory. A busy child is never evicted, so a model that needs a busy child's memory
 * waits for it; one that needs more than the budget alone is out whatever else happens. Speculative: the supervisor
 * checks again before it acts.
 */
export function assessMemory(modelId: ModelId, view: ModelView, snapshot: Snapshot): MemoryVerdict {
  if (isLoaded(view)) return FITS;
  const { budgetBytes, pinnedBytes, evictableBytes } = snapshot.memory;
  const needBytes = view.memoryBytes;
  if (needBytes > budgetBytes) return { kind: 'never', needBytes, budgetBytes };
  const freeBytes = budgetBytes - pinnedBytes - evictableBytes;
  if (needBytes <= freeBytes) return FITS;
  if (needBytes <= freeBytes + evictableBytes)
    return {
      kind: 'evicts',
      bytes: needBytes - freeBytes,
      ...priceOfEviction(modelId, needBytes - freeBytes, snapshot),
    };
  return { kind: 'waits', waitMs: untilFreedMs(modelId, needBytes - freeBytes - evictableBytes, snapshot) };
}

/** Time until a stopped child has given its memory back, ms, where it was not measured. */
export const UNLOAD_MS = 500;

// Whom the supervisor would stop, by the same rule. They leave at the same time, so the slowest of them counts; each comes
// back with the probability that it is asked for within the hour.
function priceOfEviction(modelId: ModelId, missingBytes: number, snapshot: Snapshot) {
  const holders: MemoryHolder[] = [];
  for (const [id, { residency, memoryBytes, profile, facts, usesPerHour }] of snapshot.models) {
    if (id === modelId || residency.kind !== 'ready') continue;
    const reloadMs = profile.loadMs?.value ?? loadMsBySize(facts?.weightsBytes ?? 0);
    holders.push({ id, bytes: memoryBytes, idle: true, reloadMs, usesPerHour });
  }
  const heldBytes = holders.reduce((sum, { bytes }) => sum + bytes, 0);
  const plan = planEviction(Math.min(missingBytes, heldBytes), heldBytes, holders);
  let [unloadMs, returnMs] = [0, 0];
  for (const { id, reloadMs, usesPerHour } of holders) {
    if (plan.kind !== 'evict' || !plan.victims.includes(id)) continue;
    unloadMs = Math.max(unloadMs, snapshot.models.get(id)?.profile.unloadMs?.value ?? UNLOAD_MS);
    returnMs += reloadMs * Math.min(1, usesPerHour);
  }
  return { unloadMs, returnMs };
}

/**
 * Wait for memory, ms, where a running request makes way: its child is idle once its engine has stopped. 0 where nothing
 * must be waited for.
 */
export function memoryWaitAfterYieldMs(
  modelId: ModelId,
  view: ModelView,
  { snapshot, victim }: { readonly snapshot: Snapshot; readonly victim: LaneEntry },
): number {
  const lanes = new Map(
    [...snapshot.lanes].map(([device, lane]) => [
      device,
      { ...lane, running: runningAfterYield(lane.running, victim) },
    ]),
  );
  const verdict = assessMemory(modelId, view, { ...snapshot, lanes });
  return verdict.kind === 'waits' ? verdict.waitMs : 0;
}

const FITS: MemoryVerdict = { kind: 'fits' };

const isLoaded = (view: ModelView): boolean =>
  view.residency.kind === 'ready' || view.residency.kind === 'busy' || view.residency.kind === 'starting';

// Busy children become evictable one by one as their running work ends; wait until enough of them have.
function untilFreedMs(modelId: ModelId, missingBytes: number, snapshot: Snapshot): number {
  const idleAtMs = new Map<ModelId, number>();
  for (const lane of snapshot.lanes.values()) {
    for (const entry of lane.running) {
      if (entry.model === modelId) continue;
      idleAtMs.set(entry.model, Math.max(idleAtMs.get(entry.model) ?? 0, entry.remainingMs));
    }
  }
  for (const [other, view] of snapshot.models) {
    if (view.residency.kind === 'starting') {
      idleAtMs.set(other, Math.max(idleAtMs.get(other) ?? 0, view.residency.remainingMs));
    }
  }
  const byTime = [...idleAtMs].sort((a, b) => a[1] - b[1]);
  let freedBytes = 0;
  let waitMs = 0;
  for (const [other, atMs] of byTime) {
    freedBytes += snapshot.models.get(other)?.memoryBytes ?? 0;
    waitMs = atMs;
    if (freedBytes >= missingBytes) break;
  }
  return waitMs;
}
