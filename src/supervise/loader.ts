import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { formatBytes } from '../core/format.ts';
import { type EvictionPlan, type MemoryHolder, planEviction } from '../route/eviction.ts';
import { type Entry, loadCostMs, type MeasuredFigures, memoryFigure, memoryHeld } from './entry.ts';
import { refuseWaiters, serveWaiters } from './waiters.ts';

/** What the loader needs of its supervisor. */
export type LoaderDeps = {
  readonly emit: EmitEvent;
  readonly measured: MeasuredFigures;
  /** Every entry with its child, also those that are on their way out. */
  readonly entries: () => Iterable<Entry>;
  readonly budget: () => MemoryBudget;
  readonly clock: Clock;
  /** Called for every child that is stopped to make room. */
  readonly onEvict: () => void;
  /** Called when nothing is left that the loader could do now. */
  readonly onSettled: () => void;
};

/** Memory all children share, and how it came about. */
export type MemoryBudget = { readonly totalBytes: number; readonly reserveBytes: number; readonly bytes: number };

/** Loads models one at a time, in the order they were wanted, making room as needed. */
export interface Loader {
  /** Something changed that may let a load begin. Cheap when nothing is wanted. */
  kick(): void;
  /** Resolves when the load that runs now, if any, is over. */
  idle(): Promise<void>;
}

/**
 * One load at a time: two at once would compete for the storage and the CPU, and each would count memory the other is
 * about to take. Who asked first is served first, requests before resident models that merely should be there; a
 * request that must wait for a busy child holds up those behind it, and the child it waits for takes no new work, so
 * that nobody starves. A load whose requests have all left is broken off once another one is wanted.
 */
export function createLoader(deps: LoaderDeps): Loader {
  let dirty = false;
  let working = false;
  let finished: Promise<void> = Promise.resolve();
  const brokenOff = new WeakSet<Entry>();

  const run = async () => {
    while (dirty) {
      dirty = false;
      await round(deps, brokenOff);
    }
    working = false;
    deps.onSettled();
  };
  return {
    kick: () => {
      dirty = true;
      if (working) breakOffUnwanted(deps, brokenOff);
      if (working) return;
      // Set before the work begins: starting a child changes its state, and that kicks again from inside.
      working = true;
      finished = run();
    },
    idle: () => finished,
  };
}

// The file stays in the page cache as far as it was read, so that little is lost for whoever asks again.
function breakOffUnwanted(deps: LoaderDeps, brokenOff: WeakSet<Entry>): void {
  const entries = [...deps.entries()];
  if (!entries.some(({ waiters, child }) => waiters.length > 0 && child.state.kind === 'stopped')) return;
  for (const entry of entries) {
    const { kind } = entry.child.state;
    const isLoading = kind === 'starting' || kind === 'loading';
    if (!isLoading || entry.background || entry.waiters.length > 0) continue;
    brokenOff.add(entry);
    entry.child.drain('nobody waits for it any more, and another model is wanted', 0).catch(() => undefined);
  }
}

async function round(deps: LoaderDeps, brokenOff: WeakSet<Entry>): Promise<void> {
  for (const entry of deps.entries()) entry.claimed = false;
  for (const entry of wantedInOrder(deps)) {
    if ((await attend(entry, deps, brokenOff)) === 'blocked') break;
  }
  // A claim that was not renewed has ended: those who waited behind it may go on.
  for (const entry of deps.entries()) serveWaiters(entry, deps.clock);
}

function wantedInOrder(deps: LoaderDeps): readonly Entry[] {
  const wanted = [...deps.entries()].filter((entry) => entry.waiters.length > 0 || entry.background);
  const rank = (entry: Entry) => (entry.waiters.length > 0 ? 0 : 1);
  return wanted.sort((a, b) => rank(a) - rank(b) || a.wantedSince - b.wantedSince);
}

async function attend(entry: Entry, deps: LoaderDeps, brokenOff: WeakSet<Entry>): Promise<'done' | 'blocked'> {
  const { state } = entry.child;
  if (state.kind === 'failed') {
    entry.background = false;
    refuseWaiters(entry, leftAlone(entry, state.reason));
    return 'done';
  }
  // Back-off and leaving end by themselves and kick again; a background wish is not worth waiting for.
  if (state.kind !== 'stopped') {
    entry.background = false;
    return 'done';
  }
  if (entry.inspection.availability.kind === 'unavailable' || entry.spec === undefined) {
    entry.background = false;
    refuseWaiters(entry, unavailable(entry));
    return 'done';
  }
  return makeRoomAndStart(entry, deps, brokenOff);
}

async function makeRoomAndStart(
  entry: Entry,
  deps: LoaderDeps,
  brokenOff: WeakSet<Entry>,
): Promise<'done' | 'blocked'> {
  // Asked again after every wait: whoever wanted it may have left meanwhile.
  while (entry.waiters.length > 0 || entry.background) {
    const plan = planFor(entry, deps);
    if (plan.kind === 'fits') return startNow(entry, brokenOff);
    if (entry.waiters.length === 0) return giveUpBackground(entry, plan, deps);
    if (plan.kind === 'never') {
      refuseWaiters(entry, tooLarge(entry, deps));
      return 'done';
    }
    if (plan.kind === 'wait') {
      for (const other of deps.entries()) if (plan.blockers.includes(other.id)) claim(other);
      return 'blocked';
    }
    await evict(entry, plan.victims, deps);
  }
  return 'done';
}

// One that stands still would do so until those have gone who wait for it.
function claim(entry: Entry): void {
  entry.claimed = true;
  entry.giveUpPause?.();
}

async function startNow(entry: Entry, brokenOff: WeakSet<Entry>): Promise<'done'> {
  const { spec } = entry;
  if (spec === undefined) return 'done';
  entry.startedSignature = entry.signature;
  entry.heldOff = false;
  try {
    await entry.child.start(spec);
  } catch (error) {
    // Stopped because a new policy came, unloaded by hand, or broken off: those who wait want the model, not this launch.
    const isToldOff = entry.heldOff || brokenOff.has(entry);
    if (entry.startedSignature === entry.signature && !isToldOff) refuseWaiters(entry, error);
  } finally {
    brokenOff.delete(entry);
    entry.background = false;
  }
  return 'done';
}

async function evict(entry: Entry, victims: readonly Entry['id'][], deps: LoaderDeps): Promise<void> {
  const leaving: Promise<void>[] = [];
  for (const victim of deps.entries()) {
    if (!victims.includes(victim.id)) continue;
    deps.onEvict();
    deps.emit({ kind: 'child.evicted', model: victim.id, for: entry.id, bytes: memoryHeld(victim) });
    leaving.push(victim.child.drain(`makes room for ${entry.id}`, undefined));
  }
  await Promise.all(leaving);
}

function planFor(entry: Entry, deps: LoaderDeps): EvictionPlan {
  const holders: MemoryHolder[] = [];
  for (const other of deps.entries()) {
    const bytes = memoryHeld(other);
    if (other === entry || bytes === 0) continue;
    const idle = other.child.state.kind === 'ready';
    const usesPerHour = other.uses.at(deps.clock.nowMs());
    holders.push({ id: other.id, bytes, idle, reloadMs: loadCostMs(other, deps.measured), usesPerHour });
  }
  return planEviction(memoryFigure(entry, deps.measured).memoryBytes, deps.budget().bytes, holders);
}

function giveUpBackground(entry: Entry, plan: EvictionPlan, deps: LoaderDeps): 'done' {
  entry.background = false;
  if (entry.refusalTold) return 'done';
  entry.refusalTold = true;
  const why = plan.kind === 'never' ? tooLarge(entry, deps).message : `${entry.id} does not fit beside what is loaded`;
  const message = `${why}; it is resident by policy, and is loaded when a request wants it and memory allows`;
  deps.emit({ kind: 'gateway.notice', level: plan.kind === 'never' ? 'warn' : 'info', message });
  return 'done';
}

/** The refusal of a model that cannot run here at all, with what to do about it. */
export function unavailable(entry: Entry): GatewayError {
  const { availability } = entry.inspection;
  const why =
    availability.kind === 'available' ? 'nothing runs its kind' : `${availability.reason}; ${availability.remedy}`;
  return new GatewayError('model_unavailable', `${entry.id} is unavailable: ${why}`, { shouldRetry: false });
}

function leftAlone(entry: Entry, reason: string): GatewayError {
  return new GatewayError(
    'model_unavailable',
    `${entry.id} has failed and is left alone until its file or the policy changes, or it is loaded by hand: ${reason}`,
    { shouldRetry: false },
  );
}

function tooLarge(entry: Entry, deps: LoaderDeps): GatewayError {
  const need = memoryFigure(entry, deps.measured);
  const budget = deps.budget();
  return new GatewayError(
    'model_unavailable',
    `${entry.id} needs ${formatBytes(need.memoryBytes)} (${need.memoryBasis}), more than the ${formatBytes(budget.bytes)} all children may take ` +
      `(${formatBytes(budget.totalBytes)} - ${formatBytes(budget.reserveBytes)} reserve); use a smaller file or context, or more memory`,
    { shouldRetry: false },
  );
}
