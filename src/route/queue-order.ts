import { classPriority } from '../core/classes.ts';
import type { LaneEntry } from '../core/snapshot.ts';

/**
 * An entry rises one class each time it has waited this many times its own budget: an old request then stands before
 * newer ones of the class above, and within four budgets before everything. That is the bound on starvation.
 */
const BUDGETS_PER_PROMOTION = 2;
/**
 * The first rise of an entry with a deadline comes at half its budget and puts it before whatever comes in that class from
 * then on, while its deadline can still be met: otherwise a steady flow of the class above would let every one of them
 * miss it.
 */
const FIRST_PROMOTION_BUDGETS = 0.5;
/** Budget of an entry without a deadline (batch work without a target): it rises one class every two hours. */
const BUDGET_WITHOUT_DEADLINE_MS = 3_600_000;
/** A deadline in the past or the next moment must not promote at once: no budget counts as less than this. */
const BUDGET_MS_MIN = 1000;

/** What the order looks at: not whose work it is, nor how long it takes. */
export type QueuedEntry = Pick<LaneEntry, 'class' | 'arrivedMs' | 'deadlineMs'>;

/**
 * Order of a lane's queue, negative when `a` goes first: class priority route > interactive > quality > batch, raised
 * by age; then the earliest deadline; then the earlier arrival. A total order at any one moment, and it changes with
 * `nowMs`, so a sorted queue is sorted only for the moment it was sorted in.
 */
export function compareEntries(a: QueuedEntry, b: QueuedEntry, nowMs: number): number {
  const promotionsA = promotions(a, nowMs);
  const promotionsB = promotions(b, nowMs);
  const byClass = effectivePriority(a, promotionsA) - effectivePriority(b, promotionsB);
  if (byClass !== 0) return byClass;
  const deadlineA = effectiveDeadlineMs(a, promotionsA);
  const deadlineB = effectiveDeadlineMs(b, promotionsB);
  if (deadlineA !== deadlineB) return deadlineA < deadlineB ? -1 : 1;
  return a.arrivedMs - b.arrivedMs;
}

function promotions(entry: QueuedEntry, nowMs: number): number {
  const waitedMs = nowMs - entry.arrivedMs;
  const budget = budgetMs(entry);
  const periods = Math.max(0, Math.floor(waitedMs / (BUDGETS_PER_PROMOTION * budget)));
  const early = entry.deadlineMs !== Number.POSITIVE_INFINITY && waitedMs >= FIRST_PROMOTION_BUDGETS * budget;
  return early ? 1 + periods : periods;
}

const effectivePriority = (entry: QueuedEntry, promoted: number): number =>
  Math.max(0, classPriority(entry.class) - promoted);

// Once promoted, an entry counts as due since it rose, and one without a deadline by what its budget implies: with its own
// it would lose against every newcomer of the class it rose to.
function effectiveDeadlineMs(entry: QueuedEntry, promoted: number): number {
  if (promoted === 0) return entry.deadlineMs;
  if (entry.deadlineMs === Number.POSITIVE_INFINITY) return entry.arrivedMs + BUDGET_WITHOUT_DEADLINE_MS;
  return entry.arrivedMs + FIRST_PROMOTION_BUDGETS * budgetMs(entry);
}

function budgetMs(entry: QueuedEntry): number {
  if (entry.deadlineMs === Number.POSITIVE_INFINITY) return BUDGET_WITHOUT_DEADLINE_MS;
  return Math.max(BUDGET_MS_MIN, entry.deadlineMs - entry.arrivedMs);
}
