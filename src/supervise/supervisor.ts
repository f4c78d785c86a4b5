import { join } from 'node:path';
import type { CancelTimer, Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { FadingCount, SWAPS_FADE_MS } from '../core/fading-count.ts';
import type { ModelId } from '../core/ids.ts';
import type { KeepPolicy, Policy } from '../core/policy.ts';
import type { RuntimeAdapter, RuntimeConnection } from '../core/runtime.ts';
import type { MemoryView } from '../core/snapshot.ts';
import { holdsProcess } from './child-machine.ts';
import { type Entry, hasFreeSlot, type MeasuredFigures } from './entry.ts';
import { inspectModels } from './inspect-models.ts';
import { takeLease } from './lease.ts';
import { createLoader, type Loader, type MemoryBudget, unavailable } from './loader.ts';
import { residentBytes } from './process-identity.ts';
import { createReaper } from './reaper.ts';
import { createRoster, type Roster } from './roster.ts';
import type { Lease, SupervisedModel, Supervisor } from './supervisor-types.ts';
import { joinWaiters, refuseWaiters, serveWaiters, type Waiter } from './waiters.ts';
import { watchIdle } from './watch-idle.ts';

/** What a supervisor needs of the world. */
export type SupervisorDeps = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** By kind. */
  readonly adapters: ReadonlyMap<string, RuntimeAdapter>;
  /** Holds the children's logs and the list of their pids. The caller holds its lock. */
  readonly dataDir: string;
  /** The machine's own memory, where the policy names none. */
  readonly memoryBytes: () => { readonly totalBytes: number };
  readonly measured: MeasuredFigures;
};

/** Kills what an earlier gateway left behind in this data directory and opens a supervisor without any model. */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  return new ProcessSupervisor(deps);
}

/** How often memory is sampled, and models that cannot run are looked at again. */
const HOUSEKEEPING_MS = 5_000;

class ProcessSupervisor implements Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #roster: Roster;
  readonly #loader: Loader;
  #policy: Policy | undefined;
  #applying: Promise<void> = Promise.resolve();
  #stopping = false;
  #stopped: Promise<void> | undefined;
  readonly #swaps = new FadingCount(SWAPS_FADE_MS);
  #wantCounter = 0;
  #readyWaiters: (() => void)[] = [];
  #cancelHousekeeping: CancelTimer | undefined;

  constructor(deps: SupervisorDeps) {
    const { clock, emit, measured } = deps;
    const reaper = createReaper(deps.dataDir, emit);
    reaper.reapLeftovers();
    this.#deps = deps;
    this.#roster = createRoster({
      clock,
      emit,
      measured,
      reaper,
      logFolder: join(deps.dataDir, 'logs'),
      onChange: (entry) => this.#onChange(entry),
    });
    this.#loader = createLoader({
      clock,
      emit,
      measured,
      entries: () => this.#roster.everyone(),
      budget: () => this.#budget(),
      onEvict: () => this.#swaps.add(clock.nowMs()),
      onSettled: () => this.#settleReady(),
    });
    this.#scheduleHousekeeping();
  }

  applyPolicy(policy: Policy): Promise<void> {
    const applied = this.#applying.then(() => this.#apply(policy));
    // The next policy is applied even where this one threw; its own caller hears of it.
    this.#applying = applied.catch(() => undefined);
    return applied;
  }

  views(): ReadonlyMap<ModelId, SupervisedModel> {
    return this.#roster.views();
  }

  memory(): MemoryView {
    return { budgetBytes: this.#budget().bytes, ...this.#roster.held() };
  }

  recentSwaps(): number {
    return this.#swaps.at(this.#deps.clock.nowMs());
  }

  acquire(model: ModelId, signal: AbortSignal): Promise<Lease> {
    const lease = signal.aborted ? undefined : this.tryAcquire(model);
    return lease === undefined ? (this.#wait(model, 'lease', signal) as Promise<Lease>) : Promise.resolve(lease);
  }

  // The common case, and the reason why it is a function of its own: nothing to wait for, so nothing is awaited.
  tryAcquire(model: ModelId): Lease | undefined {
    const entry = this.#roster.get(model);
    if (entry === undefined || this.#stopping || entry.waiters.length > 0 || !hasFreeSlot(entry)) return undefined;
    return takeLease(entry, this.#deps.clock, { cold: false, loadMs: 0 });
  }

  async load(model: ModelId, signal: AbortSignal): Promise<void> {
    const entry = this.#roster.get(model);
    entry?.giveUpPause?.();
    if (entry?.child.state.kind === 'ready' || entry?.child.state.kind === 'busy') return;
    if (entry !== undefined) {
      await this.#inspectAgain(entry);
      entry.child.reset();
    }
    await this.#wait(model, 'load', signal);
  }

  async unload(model: ModelId): Promise<void> {
    const entry = this.#roster.get(model);
    if (entry === undefined) throw this.#unknown(model);
    entry.heldOff = true;
    entry.background = false;
    entry.giveUpPause?.();
    await entry.child.drain('unloaded by hand', undefined);
  }

  keep(model: ModelId, keep: KeepPolicy): void {
    const entry = this.#roster.get(model);
    // It may have left the policy while it answered who asks.
    if (entry === undefined || !holdsProcess(entry.child.state)) return;
    entry.kept = keep;
    this.#watchIdle(entry);
    this.#roster.refresh(entry);
  }

  connectionOf(model: ModelId): RuntimeConnection | undefined {
    const { child, giveUpPause } = this.#roster.get(model) ?? {};
    if (giveUpPause !== undefined) return undefined;
    const hasLoaded = child?.state.kind === 'ready' || child?.state.kind === 'busy';
    return hasLoaded ? child.incarnation?.connection : undefined;
  }

  isLoaded(model: ModelId): boolean {
    const kind = this.#roster.get(model)?.child.state.kind;
    return kind === 'ready' || kind === 'busy';
  }

  logs(model: ModelId): readonly string[] {
    return this.#roster.get(model)?.log.lines() ?? [];
  }

  onLog(model: ModelId, listener: (line: string) => void): () => void {
    return this.#roster.get(model)?.log.follow(listener) ?? (() => undefined);
  }

  async ready(): Promise<void> {
    if (this.#policy !== undefined && !this.#hasBackgroundWork()) return;
    await new Promise<void>((resolve) => {
      this.#readyWaiters.push(resolve);
    });
  }

  stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    this.#stopped ??= this.#shutDown(drainMs);
    return this.#stopped;
  }

  async #shutDown(drainMs: number): Promise<void> {
    this.#cancelHousekeeping?.();
    const everyone = this.#roster.everyone();
    const leaving = everyone.map((entry) => {
      entry.cancelIdle?.();
      entry.background = false;
      refuseWaiters(entry, shuttingDown());
      return entry.child.drain('the gateway stops', Math.max(0, drainMs));
    });
    await Promise.all(leaving);
    await this.#loader.idle();
    await Promise.all(everyone.map((entry) => entry.log.close()));
    this.#settleReady();
  }

  async #apply(policy: Policy): Promise<void> {
    const found = await inspectModels(policy, this.#deps.adapters);
    if (this.#stopping) return;
    this.#policy = policy;
    const dropped = this.#roster.replace(found);
    for (const entry of dropped) this.#dismiss(entry).catch(() => undefined);
    for (const entry of this.#roster.listed()) {
      entry.child.reset();
      entry.heldOff = false;
      entry.refusalTold = false;
      // A child that runs by an older launch plan goes once it is idle; whoever needs it brings the new one up.
      if (!holdsProcess(entry.child.state) || entry.startedSignature === entry.signature) this.#watchIdle(entry);
      else entry.child.drain('its settings or file changed', undefined).catch(() => undefined);
    }
    this.#wantResidents();
    this.#loader.kick();
  }

  async #dismiss(entry: Entry): Promise<void> {
    entry.cancelIdle?.();
    entry.background = false;
    refuseWaiters(entry, this.#unknown(entry.id));
    await entry.child.drain('no longer in the policy', undefined);
    // It may have come back with a later policy while its last generation ran.
    if (this.#roster.forget(entry)) await entry.log.close();
    this.#loader.kick();
  }

  async #wait(model: ModelId, kind: Waiter['kind'], signal: AbortSignal): Promise<Lease | undefined> {
    signal.throwIfAborted();
    const entry = this.#roster.get(model);
    if (this.#stopping) throw shuttingDown();
    if (entry === undefined) throw this.#unknown(model);
    if (entry.child.state.kind === 'failed' || entry.inspection.availability.kind === 'unavailable') {
      await this.#inspectAgain(entry);
      signal.throwIfAborted();
      if (this.#stopping) throw shuttingDown();
    }
    if (entry.inspection.availability.kind === 'unavailable') throw unavailable(entry);
    this.#want(entry);
    entry.heldOff = false;
    entry.giveUpPause?.();
    const waiting = joinWaiters(entry, kind, {
      clock: this.#deps.clock,
      signal,
      onLeave: () => this.#loader.kick(),
    });
    serveWaiters(entry, this.#deps.clock);
    this.#loader.kick();
    return waiting;
  }

  #onChange(entry: Entry): void {
    const { kind } = entry.child.state;
    if (entry.child.incarnation === undefined) entry.rssBytes = undefined;
    if (!holdsProcess(entry.child.state)) entry.kept = undefined;
    this.#watchIdle(entry);
    this.#roster.refresh(entry);
    if (kind === 'ready' || kind === 'busy') serveWaiters(entry, this.#deps.clock);
    if (kind === 'stopped') this.#wantResidents();
    if (this.#hasWork()) this.#loader.kick();
  }

  #watchIdle(entry: Entry): void {
    if (!this.#stopping) watchIdle(entry, this.#deps.clock);
  }

  #wantResidents(): void {
    if (this.#stopping) return;
    for (const entry of this.#roster.listed()) {
      const wanted = entry.model.keep.kind === 'resident' && !entry.heldOff && entry.child.state.kind === 'stopped';
      if (!wanted || entry.background || entry.inspection.availability.kind === 'unavailable') continue;
      this.#want(entry);
      entry.background = true;
    }
  }

  #want(entry: Entry): void {
    if (entry.waiters.length > 0) return;
    this.#wantCounter += 1;
    entry.wantedSince = this.#wantCounter;
  }

  #hasWork(): boolean {
    for (const entry of this.#roster.listed()) if (entry.waiters.length > 0 || entry.background) return true;
    return false;
  }

  #hasBackgroundWork(): boolean {
    for (const entry of this.#roster.listed()) if (entry.background) return true;
    return false;
  }

  #settleReady(): void {
    if (!this.#stopping && (this.#policy === undefined || this.#hasBackgroundWork())) return;
    const waiters = this.#readyWaiters;
    this.#readyWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #budget(): MemoryBudget {
    const machine = this.#policy?.machine;
    const totalBytes = machine?.memoryBytes ?? this.#deps.memoryBytes().totalBytes;
    const reserveBytes = machine?.reserveBytes ?? 0;
    return { totalBytes, reserveBytes, bytes: Math.max(0, totalBytes - reserveBytes) };
  }

  #scheduleHousekeeping(): void {
    this.#cancelHousekeeping = this.#deps.clock.after(HOUSEKEEPING_MS, () => {
      const again = () => {
        if (!this.#stopping) this.#scheduleHousekeeping();
      };
      this.#keepHouse().then(again, again);
    });
  }

  async #keepHouse(): Promise<void> {
    for (const entry of [...this.#roster.listed()]) {
      const { incarnation, state } = entry.child;
      if (incarnation !== undefined) {
        entry.rssBytes = await residentBytes(incarnation.process.pid);
        this.#replaceWhenWorn(entry);
      } else if (state.kind === 'failed' || entry.inspection.availability.kind === 'unavailable') {
        // A file that was put there, or a program that was installed, needs no reload of the policy.
        await this.#inspectAgain(entry);
      }
      // Also for the rest: figures may have been measured since.
      this.#roster.refresh(entry);
    }
  }

  #replaceWhenWorn({ child, rssBytes }: Entry): void {
    if ((child.state.kind !== 'ready' && child.state.kind !== 'busy') || rssBytes === undefined) return;
    const why = child.incarnation?.connection.worn?.(rssBytes);
    if (why !== undefined) child.drain(why, undefined).catch(() => undefined);
  }

  async #inspectAgain(entry: Entry): Promise<void> {
    const policy = this.#policy;
    if (policy === undefined) return;
    const before = entry.signature;
    const found = (await inspectModels(policy, this.#deps.adapters, entry.id)).get(entry.id);
    // Too late to matter: a new policy has come meanwhile, and it looked itself.
    if (found === undefined || policy !== this.#policy || this.#stopping) return;
    this.#roster.update(entry, found);
    if (entry.signature !== before) entry.child.reset();
    this.#wantResidents();
    if (this.#hasWork()) this.#loader.kick();
  }

  #unknown(model: ModelId): GatewayError {
    const known = [...this.#roster.ids()].join(', ');
    return new GatewayError('model_not_found', `no model ${model}; the policy has ${known || 'none'}`);
  }
}

const shuttingDown = () =>
  new GatewayError('shutting_down', 'the gateway is stopping and takes no new work; try again in a moment');
