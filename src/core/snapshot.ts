import type { ModelClass } from './classes.ts';
import type { ModelId } from './ids.ts';
import type { Knowledge } from './knowledge.ts';
import type { PrefixMarks } from './prefix-marks.ts';
import type { ModelFacts, Profile } from './profile.ts';

/** What `decide` sees of the machine at one moment. May be stale: the supervisor checks again before it acts. */
export type Snapshot = {
  readonly nowMs: number;
  readonly models: ReadonlyMap<ModelId, ModelView>;
  readonly lanes: ReadonlyMap<string, LaneView>;
  readonly memory: MemoryView;
  /** Classes with a time window; a class that is not in the map has none and is always open. */
  readonly windows: ReadonlyMap<ModelClass, WindowView>;
  /** What traffic has taught: corrections, output lengths, utilisation. */
  readonly knowledge: Knowledge;
  /** Loads that had to evict another model, lately: a count that fades with a time constant of ten minutes. */
  readonly recentSwaps: number;
};

/** One model as the supervisor knows it. */
export type ModelView = {
  readonly availability: Availability;
  readonly facts: ModelFacts | undefined;
  readonly profile: Profile;
  readonly residency: Residency;
  /** Generations running in this child, and how many it takes at a time. */
  readonly running: number;
  readonly parallel: number;
  /** Predicted time until a slot of this child is free; 0 when one is. */
  readonly slotWaitMs: number;
  /** Bytes it needs, measured or by formula, with a word on which. */
  readonly memoryBytes: number;
  readonly memoryBasis: string;
  /** Why the profile's figures belong to another state of the machine (kernel, build, settings); empty = they hold. */
  readonly stale: readonly string[];
  /** Why it is never chosen without being named, such as a failed quality check; undefined = it may be. */
  readonly quarantined: string | undefined;
  /** How much slower it is while another device works, where that was measured. */
  readonly coRun: readonly CoRun[];
  /** True where its file is likely to be in the page cache still, so that a load need not wait for the storage. */
  readonly fileWarm: boolean;
  /** Wall clock of its last request; undefined = none since the gateway began. */
  readonly lastUsedMs: number | undefined;
  /** Requests per hour lately, fading with a time constant of one hour. */
  readonly usesPerHour: number;
  /** What the child's caches hold; absent where nothing is known of them or they are empty. */
  readonly prefixCache?: PrefixCacheView | undefined;
};

/** Slowdown of a model while `withDevice` is busy: multiply its times by these. */
export type CoRun = {
  readonly withDevice: string;
  readonly prefillFactor: number;
  readonly decodeFactor: number;
  readonly n: number;
};

/** What is known of the prompts whose keys and values a child still holds. */
export interface PrefixCacheView {
  /**
   * Share of a prompt, 0..1, that the child need not read again: where its marks agree with what the cache holds, times
   * how far this model has been found to keep such promises. Cheap, without side effects.
   */
  cachedShare(prefix: PrefixMarks): number;
}

/** Whether a model could be started at all. */
export type Availability =
  | { readonly kind: 'available' }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly remedy: string };

/** State of a child, as seen from outside. */
export type Residency =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'starting'; readonly remainingMs: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'backoff'; readonly retryInMs: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** A device's queue. Waiting entries in queue order. */
export type LaneView = {
  readonly device: string;
  readonly lanes: number;
  readonly running: readonly LaneEntry[];
  readonly waiting: readonly LaneEntry[];
};

/** One admitted or waiting request. */
export type LaneEntry = {
  readonly class: ModelClass;
  readonly model: ModelId;
  readonly arrivedMs: number;
  /** Wall clock by which it should be done; Infinity without a target. */
  readonly deadlineMs: number;
  /** Predicted ms of work left (running) or of the whole run (waiting). */
  readonly remainingMs: number;
  /** Set while it runs and may be interrupted; see `route/preemption.ts`. */
  readonly preemptible?: Preemptible | undefined;
};

/** How a running request may be interrupted. */
export type Preemptible = {
  /** Classes that it makes way for. */
  readonly by: readonly ModelClass[];
  /** How long its engine needs to stop, ms: it looks up only between two batches of a prompt. */
  readonly cancelMs: number;
  /**
   * True: whenever one of these classes waits, in time or not, and however little is left of the run; nobody waits for
   * it. Else only for a newcomer that would be late by waiting.
   */
  readonly atOnce?: boolean | undefined;
  /** True: for a request to another model that is loaded it need not stop, its process stands still at once. */
  readonly pauses?: boolean | undefined;
};

/** Memory all children share. */
export type MemoryView = {
  /** Budget after the reserve. */
  readonly budgetBytes: number;
  /** What running children hold that may not be evicted now (busy). */
  readonly pinnedBytes: number;
  /** What idle children hold, evictable. */
  readonly evictableBytes: number;
};

/** State of a class's daily time window at the snapshot's moment. */
export type WindowView = {
  readonly open: boolean;
  /** Time until it opens, ms; 0 while it is open. */
  readonly opensInMs: number;
};
