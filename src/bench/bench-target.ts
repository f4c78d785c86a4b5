import type { ModelId } from '../core/ids.ts';
import type { ModelFacts } from '../core/profile.ts';
import type { RuntimeConnection } from '../core/runtime.ts';
import type { Availability, MemoryView } from '../core/snapshot.ts';

/**
 * What a benchmark asks of the supervisor; structural, because `supervise` and `bench` stand on one rank and do not
 * know each other.
 */
export interface BenchTarget {
  views(): ReadonlyMap<ModelId, BenchView>;
  acquire(model: ModelId, signal: AbortSignal): Promise<BenchLease>;
  load(model: ModelId, signal: AbortSignal): Promise<void>;
  unload(model: ModelId): Promise<void>;
  /** Memory all children share. */
  memory(): Pick<MemoryView, 'budgetBytes'>;
}

/** One model as the supervisor sees it. */
export type BenchView = {
  readonly availability: Availability;
  readonly facts: ModelFacts | undefined;
  readonly runtimeVersion: string | undefined;
  readonly pid: number | undefined;
  /** What loading it takes, bytes. */
  readonly memoryBytes: number;
};

/** The right to use a child. */
export type BenchLease = {
  readonly connection: RuntimeConnection;
  release(how: 'ok' | 'aborted' | 'failed'): Promise<void>;
};

/** A step of a run, for people who wait. */
export type BenchProgress = {
  readonly model: ModelId;
  /** What is being done, e.g. `load 2 of 5`. */
  readonly step: string;
  /** Steps done and in all, over all models of the run. */
  readonly done: number;
  readonly total: number;
  /** Time left at the pace so far; undefined until there is one. */
  readonly etaMs: number | undefined;
};
