import type { FadingCount } from '../core/fading-count.ts';
import type { ModelId } from '../core/ids.ts';
import type { KeepPolicy, Policy } from '../core/policy.ts';
import type { ModelFacts } from '../core/profile.ts';
import type { RuntimeConnection } from '../core/runtime.ts';
import type { Availability, MemoryView, Residency } from '../core/snapshot.ts';

/** Owns every child: starts, watches, swaps and stops them. Everyone else asks. */
export interface Supervisor {
  /**
   * Looks at every model again, starts the resident ones in the background, replaces children whose launch plan
   * changed once they are idle, and drops those the policy no longer names. Failed children get a new chance.
   */
  applyPolicy(policy: Policy): Promise<void>;
  /** Every model of the policy as it is now: a live map of immutable records, each replaced when it changed. */
  views(): ReadonlyMap<ModelId, SupervisedModel>;
  memory(): MemoryView;
  /** Children stopped lately to make room for another model; fades with a time constant of ten minutes. */
  recentSwaps(): number;
  /**
   * A free slot of a ready child; starts, loads and evicts as needed and waits its turn. Rejects with the signal's
   * reason, or with `model_not_found`, `model_unavailable`, `start_failed`, `load_timeout` or `shutting_down`.
   */
  acquire(model: ModelId, signal: AbortSignal): Promise<Lease>;
  /** {@link acquire} where nothing has to be waited for: a ready child with a free slot nobody waits for; else undefined. */
  tryAcquire(model: ModelId): Lease | undefined;
  /** Makes the model ready without using it; also the way out of `failed`. Rejects as {@link acquire} does. */
  load(model: ModelId, signal: AbortSignal): Promise<void>;
  /**
   * Stops the model's child once its generations have ended; it stays stopped until somebody asks for it, which may be
   * somebody who already waits. Resolves when the process is gone, at once where there is none. Rejects with
   * `model_not_found`.
   */
  unload(model: ModelId): Promise<void>;
  /**
   * Keeps the model's running child in another way than the policy says, for as long as that process lives; nothing
   * where none runs. A resident model is not given an idle time.
   */
  keep(model: ModelId, keep: KeepPolicy): void;
  /** The way to the model's running child once it has loaded, for questions that need no slot; undefined before, and while it stands still. */
  connectionOf(model: ModelId): RuntimeConnection | undefined;
  /** True where the model's child stands ready or works. */
  isLoaded(model: ModelId): boolean;
  /** The last lines the model's child printed, oldest first. */
  logs(model: ModelId): readonly string[];
  /** Calls `listener` for every line from now on; returns the way to stop. */
  onLog(model: ModelId, listener: (line: string) => void): () => void;
  /** Resolves when the first round of resident starts has settled, well or badly. */
  ready(): Promise<void>;
  /** Refuses new work, lets generations finish for `drainMs`, then stops every child. Nothing is left after it. */
  stop(drainMs: number): Promise<void>;
}

/** The right to run one generation in one child. */
export interface Lease {
  readonly model: ModelId;
  readonly connection: RuntimeConnection;
  /** What waiting for this child to load cost this request, ms; 0 when it was ready. */
  readonly loadMs: number;
  /** True when the child was not ready when asked for. */
  readonly cold: boolean;
  /**
   * Gives the slot back; resolves when it is really free. `aborted` waits until the engine has stopped working on it
   * (and replaces a child that does not stop); `failed` counts against the child. A second call does nothing.
   */
  release(how: ReleaseKind): Promise<void>;
  /** True where its kind's processes can stand still. */
  readonly pausable: boolean;
  /**
   * Stops the child's process where it stands, so that its device is free at once; the generation goes on with `resume`.
   * `giveUp` is called where somebody needs the child or its memory meanwhile: the generation is to be abandoned then.
   * False where that is not possible: its kind cannot, or the child does other work too, or somebody waits for it.
   */
  pause(giveUp: () => void): boolean;
  /** Lets the process go on; does nothing where it was not paused. */
  resume(): void;
}

/** How a generation ended, as far as the child is concerned. */
export type ReleaseKind = 'ok' | 'aborted' | 'failed';

/** One model as the supervisor knows it. Immutable. */
export type SupervisedModel = {
  readonly availability: Availability;
  readonly facts: ModelFacts | undefined;
  /** Version and build of the program, once it has been asked. */
  readonly runtimeVersion: string | undefined;
  readonly residency: Residency;
  /** Generations running in the child, and how many it takes at a time. */
  readonly running: number;
  readonly parallel: number;
  /** What loading it takes, and where the figure comes from. */
  readonly memoryBytes: number;
  readonly memoryBasis: string;
  /** Set while a process exists. */
  readonly pid: number | undefined;
  readonly port: number | undefined;
  /** Wall clock of the start of the running process. */
  readonly startedAtMs: number | undefined;
  /** Resident memory of the running process, sampled every few seconds. */
  readonly rssBytes: number | undefined;
  /** Starts after a crash since the gateway began. */
  readonly restarts: number;
  /** How long the last load took, ms. */
  readonly lastLoadMs: number | undefined;
  /** How the running process is kept, as a client asked or the policy says. */
  readonly keep?: KeepPolicy | undefined;
  /** Wall clock at which it is stopped unless it is used before; undefined while it works or where it stays. */
  readonly unloadsAtMs?: number | undefined;
  /** Requests it was given lately; read with the wall clock, it fades with time. */
  readonly uses: Pick<FadingCount, 'at' | 'lastMs'>;
  /** What the running child tells of itself, such as versions from its log; in the words of its kind. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
};
