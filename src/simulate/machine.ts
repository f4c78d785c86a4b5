import { FadingCount, SWAPS_FADE_MS, USES_FADE_MS } from '../core/fading-count.ts';
import type { ModelId } from '../core/ids.ts';
import type { Profile } from '../core/profile.ts';
import type { MemoryView, ModelView, Residency } from '../core/snapshot.ts';
import { type MemoryHolder, planEviction } from '../route/eviction.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { SimulatedModel, World } from './world.ts';

/**
 * Which models are in memory, as the supervisor would have it: one load at a time, first come first served, whom to stop
 * by the supervisor's own rule (`route/eviction.ts`), a busy model never; the model a load waits for takes no new work.
 */
export interface Machine {
  /** Calls back when the model is loaded and the request may use it; `release` it afterwards. */
  acquire(id: ModelId, ready: (loadMs: number) => void): void;
  release(id: ModelId): void;
  /** Every model, as a snapshot shows it. Fresh objects. */
  views(): Map<ModelId, ModelView>;
  memory(): MemoryView;
  recentSwaps(): number;
  /** Loads since the beginning that had to evict somebody. */
  readonly swaps: number;
}

type Slot = {
  readonly model: SimulatedModel;
  readonly profile: Profile;
  readonly uses: FadingCount;
  state: 'stopped' | 'starting' | 'ready';
  readyAtMs: number;
  running: number;
  lastLoadMs: number;
};

type Wish = { readonly slot: Slot; readonly sinceMs: number; readonly ready: (loadMs: number) => void };

/** A machine on which the models to be kept resident are loaded, as far as they fit. */
export function createMachine(world: World, profiles: ReadonlyMap<ModelId, Profile>, time: SimulatedTime): Machine {
  return new SimulatedMachine(world, profiles, time);
}

class SimulatedMachine implements Machine {
  readonly #time: SimulatedTime;
  readonly #budgetBytes: number;
  readonly #slots = new Map<ModelId, Slot>();
  readonly #wishes: Wish[] = [];
  readonly #recentSwaps = new FadingCount(SWAPS_FADE_MS);
  #claimed: ReadonlySet<ModelId> = new Set();
  #loading = false;
  swaps = 0;

  constructor(world: World, profiles: ReadonlyMap<ModelId, Profile>, time: SimulatedTime) {
    this.#time = time;
    this.#budgetBytes = world.budgetBytes;
    let heldBytes = 0;
    for (const [id, model] of world.models) {
      const fits = heldBytes + model.memoryBytes <= world.budgetBytes;
      const resident = model.policy.keep.kind === 'resident' && fits;
      if (resident) heldBytes += model.memoryBytes;
      const uses = new FadingCount(USES_FADE_MS);
      const state = resident ? 'ready' : 'stopped';
      this.#slots.set(id, {
        model,
        profile: profiles.get(id) ?? {},
        uses,
        state,
        readyAtMs: 0,
        running: 0,
        lastLoadMs: 0,
      });
    }
  }

  acquire(id: ModelId, ready: (loadMs: number) => void): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw new Error(`the simulated board has no model ${id}`);
    slot.uses.add(this.#time.nowMs());
    if (slot.state === 'ready' && !this.#claimed.has(id)) {
      slot.running += 1;
      ready(0);
      return;
    }
    this.#wishes.push({ slot, sinceMs: this.#time.nowMs(), ready });
    this.#serve();
  }

  release(id: ModelId): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    slot.running -= 1;
    this.#serve();
    this.#stopIdle(slot);
  }

  views(): Map<ModelId, ModelView> {
    const nowMs = this.#time.nowMs();
    const views = new Map<ModelId, ModelView>();
    for (const [id, slot] of this.#slots) views.set(id, viewOf(slot, nowMs));
    return views;
  }

  memory(): MemoryView {
    let [pinnedBytes, evictableBytes] = [0, 0];
    for (const { state, running, model } of this.#slots.values()) {
      if (state === 'ready' && running === 0) evictableBytes += model.memoryBytes;
      else if (state !== 'stopped') pinnedBytes += model.memoryBytes;
    }
    return { budgetBytes: this.#budgetBytes, pinnedBytes, evictableBytes };
  }

  recentSwaps(): number {
    return this.#recentSwaps.at(this.#time.nowMs());
  }

  #serve(): void {
    this.#claimed = NOBODY;
    for (;;) {
      const wish = this.#wishes[0];
      if (wish === undefined || this.#loading) return;
      if (wish.slot.state === 'ready') {
        this.#wishes.shift();
        wish.slot.running += 1;
        wish.ready(this.#time.nowMs() - wish.sinceMs);
        continue;
      }
      if (!this.#startLoad(wish.slot)) return;
    }
  }

  #startLoad(slot: Slot): boolean {
    const plan = planEviction(slot.model.memoryBytes, this.#budgetBytes, this.#holders());
    switch (plan.kind) {
      case 'never':
        throw new Error(`${slot.model.policy.id} is larger than the simulated board`);
      case 'wait':
        this.#claimed = new Set(plan.blockers);
        return false;
      case 'fits':
        this.#load(slot, 0);
        return true;
      case 'evict': {
        let unloadMs = 0;
        for (const id of plan.victims) {
          const victim = this.#slots.get(id);
          if (victim === undefined) continue;
          victim.state = 'stopped';
          unloadMs = Math.max(unloadMs, victim.model.service.unloadMs);
        }
        this.swaps += 1;
        this.#recentSwaps.add(this.#time.nowMs());
        this.#load(slot, unloadMs);
        return true;
      }
    }
  }

  #load(slot: Slot, unloadMs: number): void {
    this.#loading = true;
    slot.state = 'starting';
    slot.readyAtMs = this.#time.nowMs() + unloadMs + slot.model.service.loadMs;
    this.#time.at(slot.readyAtMs, () => {
      slot.state = 'ready';
      slot.lastLoadMs = slot.model.service.loadMs;
      this.#loading = false;
      this.#serve();
    });
  }

  #stopIdle(slot: Slot): void {
    const { keep } = slot.model.policy;
    if (slot.running > 0 || keep.kind === 'resident') return;
    const idleMs = keep.kind === 'idle' ? keep.idleMs : 0;
    const { lastMs } = slot.uses;
    this.#time.after(idleMs, () => {
      if (slot.running === 0 && slot.state === 'ready' && slot.uses.lastMs === lastMs) slot.state = 'stopped';
    });
  }

  #holders(): MemoryHolder[] {
    const nowMs = this.#time.nowMs();
    const holders: MemoryHolder[] = [];
    for (const [id, slot] of this.#slots) {
      if (slot.state === 'stopped') continue;
      holders.push({
        id,
        bytes: slot.model.memoryBytes,
        idle: slot.state === 'ready' && slot.running === 0,
        reloadMs: slot.profile.loadMs?.value ?? slot.model.service.loadMs,
        usesPerHour: slot.uses.at(nowMs),
      });
    }
    return holders;
  }
}

const NOBODY: ReadonlySet<ModelId> = new Set();
const NONE: readonly never[] = [];

function viewOf(slot: Slot, nowMs: number): ModelView {
  const { model, profile, uses } = slot;
  return {
    availability: { kind: 'available' },
    facts: model.facts,
    profile,
    residency: residencyOf(slot, nowMs),
    running: slot.running,
    parallel: 1,
    slotWaitMs: 0,
    memoryBytes: model.memoryBytes,
    memoryBasis: 'simulated',
    stale: NONE,
    quarantined: undefined,
    coRun: NONE,
    fileWarm: true,
    lastUsedMs: uses.lastMs,
    usesPerHour: uses.at(nowMs),
  };
}

function residencyOf({ state, running, readyAtMs }: Slot, nowMs: number): Residency {
  switch (state) {
    case 'stopped':
      return { kind: 'stopped' };
    case 'starting':
      return { kind: 'starting', remainingMs: Math.max(0, readyAtMs - nowMs) };
    case 'ready':
      return running > 0 ? { kind: 'busy' } : { kind: 'ready' };
  }
}
