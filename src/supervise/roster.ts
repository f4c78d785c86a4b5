import type { Clock } from '../core/clock.ts';
import type { EmitEvent } from '../core/events.ts';
import { FadingCount, USES_FADE_MS } from '../core/fading-count.ts';
import type { ModelId } from '../core/ids.ts';
import { Child } from './child.ts';
import { openChildLog } from './child-log.ts';
import { type Entry, isOutdated, type MeasuredFigures, memoryHeld, refreshView } from './entry.ts';
import type { Inspected } from './inspect-models.ts';
import { idleLimitOf } from './lease.ts';
import type { Reaper } from './reaper.ts';
import type { SupervisedModel } from './supervisor-types.ts';

/** What a roster needs of its supervisor. */
export type RosterDeps = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly measured: MeasuredFigures;
  readonly reaper: Reaper;
  readonly logFolder: string;
  readonly onChange: (entry: Entry) => void;
};

/** The models of the policy with their children, and the children of models that have left it but still run. */
export interface Roster {
  get(id: ModelId): Entry | undefined;
  /** Models of the policy. */
  listed(): Iterable<Entry>;
  /** With those on their way out: everybody who may hold memory. */
  everyone(): readonly Entry[];
  ids(): Iterable<ModelId>;
  /** Takes over what was found: new models are added, known ones updated; returns those no longer in the policy. */
  replace(found: ReadonlyMap<ModelId, Inspected>): readonly Entry[];
  update(entry: Entry, found: Inspected): void;
  /** Drops a model that has left the policy and whose process is gone. False when it came back meanwhile. */
  forget(entry: Entry): boolean;
  /** Makes the model's record anew. */
  refresh(entry: Entry): void;
  views(): ReadonlyMap<ModelId, SupervisedModel>;
  /** Memory of idle children, and of all others that hold any, bytes. */
  held(): { readonly pinnedBytes: number; readonly evictableBytes: number };
}

/** An empty roster. */
export function createRoster(deps: RosterDeps): Roster {
  let entries = new Map<ModelId, Entry>();
  const leaving = new Set<Entry>();
  const views = new Map<ModelId, SupervisedModel>();

  const refresh = (entry: Entry) => {
    refreshView(entry, deps.clock, deps.measured);
    if (entries.get(entry.id) === entry) views.set(entry.id, entry.view);
  };
  const update = (entry: Entry, found: Inspected) => {
    Object.assign(entry, found);
    refresh(entry);
  };
  const replace = (found: ReadonlyMap<ModelId, Inspected>) => {
    const dropped = [...entries.values()].filter((entry) => !found.has(entry.id));
    const kept = new Map<ModelId, Entry>();
    for (const [id, one] of found) {
      const returning = [...leaving].find((entry) => entry.id === id);
      if (returning !== undefined) leaving.delete(returning);
      kept.set(id, entries.get(id) ?? returning ?? createEntry(id, one, deps));
    }
    for (const entry of dropped) leaving.add(entry);
    entries = kept;
    // Emptied first: views list models in the order of the policy, which is the order people read.
    views.clear();
    for (const [id, one] of found) {
      const entry = kept.get(id);
      if (entry !== undefined) update(entry, one);
    }
    return dropped;
  };
  return {
    get: (id) => entries.get(id),
    listed: () => entries.values(),
    everyone: () => [...entries.values(), ...leaving],
    ids: () => entries.keys(),
    replace,
    update,
    forget: (entry) => leaving.delete(entry),
    refresh,
    views: () => {
      for (const entry of entries.values()) if (isOutdated(entry)) refresh(entry);
      return views;
    },
    held: () => {
      let [pinnedBytes, evictableBytes] = [0, 0];
      for (const entry of entries.values()) {
        if (entry.child.state.kind === 'ready') evictableBytes += memoryHeld(entry);
        else pinnedBytes += memoryHeld(entry);
      }
      for (const entry of leaving) pinnedBytes += memoryHeld(entry);
      return { pinnedBytes, evictableBytes };
    },
  };
}

function createEntry(id: ModelId, found: Inspected, deps: RosterDeps): Entry {
  const { clock, emit, reaper } = deps;
  const log = openChildLog(id, deps.logFolder, emit);
  const entry: Entry = {
    ...found,
    id,
    log,
    child: new Child(id, { clock, emit, log, reaper, onChange: () => deps.onChange(entry) }),
    startedSignature: undefined,
    waiters: [],
    wantedSince: 0,
    background: false,
    claimed: false,
    giveUpPause: undefined,
    heldOff: false,
    refusalTold: false,
    kept: undefined,
    cancelIdle: undefined,
    unloadsAtMs: undefined,
    idleLimitMs: () =>
      idleLimitOf(entry.model.settings.ubatch, deps.measured(id).prefillTokensPerSec?.value) +
      (entry.spec?.adapter.slackMs ?? 0),
    rssBytes: undefined,
    uses: new FadingCount(USES_FADE_MS),
    // The record is made from the entry, so the entry has to exist first; `update` fills it at once.
    view: undefined as unknown as SupervisedModel,
    viewedState: undefined,
  };
  return entry;
}
