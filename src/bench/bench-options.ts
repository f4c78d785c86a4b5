import type { Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { OpenBenchRun } from '../store/bench-journal-table.ts';
import type { Store } from '../store/open-store.ts';
import type { BenchProgress, BenchTarget } from './bench-target.ts';
import type { Journal } from './journal.ts';
import type { PageCache } from './page-cache.ts';

/** What to measure, with what, and where to put it. */
export type BenchOptions = {
  readonly policy: Policy;
  /** In this order; all must stand in the policy. */
  readonly models: readonly ModelId[];
  /** The supervisor; nothing else may use it meanwhile. */
  readonly target: BenchTarget;
  readonly store: Store;
  readonly clock: Clock;
  /** Ends the run; what was measured is kept, and the run can be resumed. */
  readonly signal: AbortSignal;
  readonly sluiceVersion: string;
  /** Folder for the JSON file; made when it does not exist. */
  readonly directory: string;
  readonly repetitions?: number;
  readonly settleMs?: number;
  readonly sides?: 'both' | 'raw' | 'served';
  /** Rates behind prompts of several lengths; on unless switched off. */
  readonly depths?: boolean;
  /** Loads from storage too; on unless switched off. */
  readonly coldLoads?: boolean;
  /** After the rounds, generate on each model for this long, to see it throttle. */
  readonly sustainedMs?: number;
  /** After the rounds, measure models that can run side by side while they do. */
  readonly pairs?: boolean;
  /** After the rounds, put the quality items to each model. */
  readonly quality?: boolean;
  /** A run that was broken off, to go on with; its plan goes before the options here. */
  readonly resume?: ResumedRun;
  readonly pageCache?: PageCache;
  readonly sysroot?: string;
  readonly onProgress?: (progress: BenchProgress) => void;
};

/** Repetitions unless told otherwise: below five an interval covers less than it says. */
export const REPETITIONS_DEFAULT = 5;
/** A quick look; shown as provisional. */
export const REPETITIONS_QUICK = 3;
/** Quiet time after a load, as earlier work on these boards used (board facts, section 2). */
export const SETTLE_MS_DEFAULT = 5_000;

/** What a run does, as it is kept so that it can be gone on with. */
export type BenchPlan = {
  readonly models: readonly string[];
  /** Key of every model when the run began: other files or settings are another run. */
  readonly modelKeys: Readonly<Record<string, string>>;
  readonly repetitions: number;
  readonly settleMs: number;
  readonly sides: 'both' | 'raw' | 'served';
  readonly depths: boolean;
  readonly coldLoads: boolean;
  readonly sustainedMs: number;
  readonly pairs: boolean;
  readonly quality: boolean;
};

/** A run that was broken off and what it was to do. */
export type ResumedRun = { readonly row: OpenBenchRun; readonly plan: BenchPlan };

/** A run with everything decided that the options left open. */
export type Run = BenchOptions &
  Omit<BenchPlan, 'models' | 'modelKeys'> & {
    readonly id: string;
    readonly startedAt: string;
    readonly pageCache: PageCache;
    readonly journal: Journal;
  };
