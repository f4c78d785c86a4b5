import type { ModelClass } from './classes.ts';
import type { ModelId } from './ids.ts';
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
  /** Learned output lengths; undefined = the class prior of the policy. */
  readonly outputTokens: (
    modelClass: ModelClass,
    quantile: number,
  ) => { readonly tokens: number; readonly n: number } | undefined;
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
  /** What the child's caches hold; absent where nothing is known of them or they are empty. */
  readonly prefixCache?: PrefixCacheView | undefined;
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
