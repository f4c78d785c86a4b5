import type { MachineWatch } from '../bench/machine-watch.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { ModelFacts, Profile } from '../core/profile.ts';
import type { LaneView, ModelView, PrefixCacheView, Snapshot, WindowView } from '../core/snapshot.ts';
import { windowState } from '../policy/window.ts';
import { quarantineReason } from '../route/quality.ts';
import type { Lanes } from '../supervise/lane.ts';
import type { SupervisedModel, Supervisor } from '../supervise/supervisor-types.ts';

/** What a snapshot is made of. */
export type SnapshotSources = {
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly supervisor: Pick<Supervisor, 'views' | 'memory' | 'recentSwaps'>;
  readonly lanes: Pick<Lanes, 'views'>;
  readonly profileOf: (model: ModelPolicy, facts: ModelFacts | undefined) => Profile;
  readonly prefixCacheOf: (model: ModelId) => PrefixCacheView | undefined;
  readonly knowledge: Knowledge;
  readonly watch: Pick<MachineWatch, 'staleOf' | 'coRunOf'>;
};

/**
 * The machine as it is now, for `decide`. Made anew for each request from live views, without touching a disk or
 * another process; to be used at once, since models are looked at as they are asked for.
 */
export function takeSnapshot(sources: SnapshotSources): Snapshot {
  const policy = sources.policy();
  const nowMs = sources.clock.nowMs();
  const lanes = sources.lanes.views();
  return {
    nowMs,
    models: new ModelViews({ sources, policy, nowMs, lanes, views: sources.supervisor.views() }),
    lanes,
    memory: sources.supervisor.memory(),
    windows: windowsOf(policy, nowMs),
    knowledge: sources.knowledge,
    recentSwaps: sources.supervisor.recentSwaps(),
  };
}

type Ground = {
  readonly sources: SnapshotSources;
  readonly policy: Policy;
  readonly nowMs: number;
  readonly lanes: ReadonlyMap<string, LaneView>;
  readonly views: ReadonlyMap<ModelId, SupervisedModel>;
};

/** The models of a snapshot, each put together when it is first looked at: a decision may need one of a dozen. */
class ModelViews implements ReadonlyMap<ModelId, ModelView> {
  readonly #ground: Ground;
  readonly #seen = new Map<ModelId, ModelView>();
  #all: ReadonlyMap<ModelId, ModelView> | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  get(id: ModelId): ModelView | undefined {
    const seen = this.#seen.get(id);
    if (seen !== undefined) return seen;
    const model = this.#ground.policy.models.get(id);
    const view = model === undefined ? undefined : modelViewOf(model, this.#ground);
    if (view !== undefined) this.#seen.set(id, view);
    return view;
  }

  has(id: ModelId): boolean {
    return this.get(id) !== undefined;
  }

  get size(): number {
    return this.#whole().size;
  }

  keys() {
    return this.#whole().keys();
  }

  values() {
    return this.#whole().values();
  }

  entries() {
    return this.#whole().entries();
  }

  [Symbol.iterator]() {
    return this.#whole()[Symbol.iterator]();
  }

  forEach(visit: (view: ModelView, id: ModelId, all: ReadonlyMap<ModelId, ModelView>) => void): void {
    this.#whole().forEach(visit);
  }

  // In the order of the policy.
  #whole(): ReadonlyMap<ModelId, ModelView> {
    if (this.#all !== undefined) return this.#all;
    const all = new Map<ModelId, ModelView>();
    for (const id of this.#ground.policy.models.keys()) {
      const view = this.get(id);
      if (view !== undefined) all.set(id, view);
    }
    this.#all = all;
    return all;
  }
}

function modelViewOf(model: ModelPolicy, { sources, policy, nowMs, lanes, views }: Ground): ModelView | undefined {
  const view = views.get(model.id);
  if (view === undefined) return undefined;
  const runtime = policy.runtimes.get(model.runtime);
  const device = runtime?.device ?? '';
  const profile = sources.profileOf(model, view.facts);
  const { runtimeVersion } = view;
  return {
    availability: view.availability,
    facts: view.facts,
    profile,
    residency: view.residency,
    running: view.running,
    parallel: view.parallel,
    slotWaitMs: slotWaitMs(model.id, view, lanes.get(device)),
    memoryBytes: view.memoryBytes,
    memoryBasis: view.memoryBasis,
    stale: sources.watch.staleOf({ policy: model, kind: runtime?.kind ?? '', profile, runtimeVersion }),
    quarantined: quarantineReason(profile),
    coRun: sources.watch.coRunOf(model),
    fileWarm: isFileWarm(view, nowMs),
    lastUsedMs: view.uses.lastMs,
    usesPerHour: view.uses.at(nowMs),
    prefixCache: sources.prefixCacheOf(model.id),
  };
}

/** A file read this recently is taken to be in the page cache still; what else was read since is not known. */
const FILE_WARM_MS = 3_600_000;

const isFileWarm = ({ lastLoadMs, uses }: SupervisedModel, nowMs: number): boolean =>
  lastLoadMs !== undefined && uses.lastMs !== undefined && nowMs - uses.lastMs < FILE_WARM_MS;

// A child with all slots taken is free when the first of its generations is predicted to end.
function slotWaitMs(model: ModelId, view: SupervisedModel, lane: LaneView | undefined): number {
  if (lane === undefined || view.running < view.parallel) return 0;
  let waitMs = Number.POSITIVE_INFINITY;
  for (const entry of lane.running) if (entry.model === model) waitMs = Math.min(waitMs, entry.remainingMs);
  return Number.isFinite(waitMs) ? waitMs : 0;
}

function windowsOf(policy: Policy, nowMs: number): ReadonlyMap<ModelClass, WindowView> {
  const windows = new Map<ModelClass, WindowView>();
  for (const name of MODEL_CLASSES) {
    const { window } = policy.classes[name];
    if (window !== undefined) windows.set(name, windowState(window, nowMs));
  }
  return windows;
}
