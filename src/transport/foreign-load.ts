import type { CancelTimer, Clock } from '../core/clock.ts';
import { cpuTicks, processTicks, swappedPages, TICKS_PER_SEC } from './cpu-ticks.ts';

/** Gap between two looks: three small files and one per child, some 0.1 ms. */
const LOOK_EVERY_MS = 3_000;
/** Foreign work this many cores above its usual share makes a generation slower than it is by itself. */
const FOREIGN_CORES_MAX = 0.5;
/** The usual share follows within a quarter of an hour: what always runs belongs to the machine. */
const USUAL_MS = 900_000;
/** Pages swapped per second that slow a model whose weights ought to be in memory: 1 MB/s. */
const SWAPPED_PAGES_MAX = 256;

/** Tells when other programs had the machine, so that what was timed then teaches nothing. */
export interface ForeignLoad {
  /** True where the time since `startMs` (monotonic) overlaps a disturbance, as far as it has been looked at. */
  disturbedSince(startMs: number): boolean;
  /** CPUs that other programs kept busy lately; undefined before it is known. */
  cores(): number | undefined;
  /** Stops looking. */
  close(): void;
}

/** What is watched, and whose work is our own. */
export type ForeignLoadDeps = {
  readonly clock: Clock;
  /** Processes of ours beside this one. */
  readonly pids: () => readonly number[];
  readonly sysroot?: string;
};

type Look = {
  readonly atMs: number;
  readonly total: number;
  readonly own: ReadonlyMap<number, number>;
  readonly swapped: number;
};

/**
 * Looks every three seconds how much of the machine other programs used beyond what they use all the time, and whether it
 * swapped. Where `/proc` cannot be read nothing counts as disturbed.
 */
export function watchForeignLoad({ clock, pids, sysroot }: ForeignLoadDeps): ForeignLoad {
  let cancelTimer: CancelTimer | undefined;
  let disturbedUntilMs = Number.NEGATIVE_INFINITY;
  let usualCores: number | undefined;
  let coresLately: number | undefined;

  const look = (): Look | undefined => {
    const total = cpuTicks(sysroot);
    if (total === undefined) return undefined;
    const own = new Map([[0, processTicks('self', sysroot)[0]]]);
    for (const pid of pids()) own.set(pid, processTicks(pid, sysroot)[0]);
    return { atMs: clock.monotonicMs(), total, own, swapped: swappedPages(sysroot) ?? 0 };
  };

  const judge = (before: Look, now: Look): void => {
    const tookMs = now.atMs - before.atMs;
    if (tookMs <= 0) return;
    const cores = foreignTicks(before, now) / TICKS_PER_SEC / (tookMs / 1000);
    coresLately = cores;
    const swapped = (now.swapped - before.swapped) / (tookMs / 1000);
    const usual = usualCores ?? cores;
    if (cores - usual > FOREIGN_CORES_MAX || swapped > SWAPPED_PAGES_MAX) disturbedUntilMs = now.atMs;
    usualCores = usual + (cores - usual) * Math.min(1, tookMs / USUAL_MS);
  };

  let last = look();
  const again = () => {
    cancelTimer = clock.after(LOOK_EVERY_MS, () => {
      again();
      const now = look();
      if (last !== undefined && now !== undefined) judge(last, now);
      last = now;
    });
  };
  if (last !== undefined) again();

  return {
    disturbedSince: (startMs) => disturbedUntilMs > startMs,
    cores: () => coresLately,
    close: () => cancelTimer?.(),
  };
}

// A child that came or went meanwhile counts with what is known of it: its start may look foreign for one look, which is
// right, for a load disturbs what else runs.
function foreignTicks(before: Look, now: Look): number {
  let own = 0;
  for (const [pid, ticks] of now.own) own += Math.max(0, ticks - (before.own.get(pid) ?? ticks));
  return Math.max(0, now.total - before.total - own);
}
