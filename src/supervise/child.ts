import type { CancelTimer, Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, RuntimePolicy } from '../core/policy.ts';
import type { ChildEndpoint, RuntimeAdapter, RuntimeConnection } from '../core/runtime.ts';
import type { ChildLog } from './child-log.ts';
import { backoffMs, type ChildEvent, type ChildState, INITIAL_STATE, next, runningIn } from './child-machine.ts';
import { freePort } from './free-port.ts';
import type { Reaper } from './reaper.ts';
import { type ExitStatus, type SpawnedChild, spawnChild } from './spawn-child.ts';

/** Everything a start needs; fixed for the life of one process. */
export type ChildSpec = {
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy;
  readonly adapter: RuntimeAdapter;
  /** Weights on disk, bytes: what the time allowed for loading is scaled by. */
  readonly weightsBytes: number;
  /** Environment of the process, before the launch plan's own. */
  readonly environment: Readonly<Record<string, string>>;
};

/** What a child needs of the world. */
export type ChildDeps = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly log: ChildLog;
  readonly reaper: Reaper;
  /** Called after every change of state; must not throw. */
  readonly onChange: () => void;
};

/** One process of a child, from its spawn to its end. */
export type Incarnation = {
  readonly endpoint: ChildEndpoint;
  readonly process: SpawnedChild;
  readonly connection: RuntimeConnection;
  readonly startedAtMs: number;
  /** False from the exit on: a lease of it has nothing to give back. */
  alive: boolean;
  /** Generations failed in a row. */
  failedLeases: number;
  /** True once it has been leased. */
  used: boolean;
};

/** From SIGTERM to SIGKILL. llama-server ends its current decode step first; a 27B step takes seconds on a board. */
export const STOP_GRACE_MS = 5_000;
/** A child that has stood ready so long has proved itself: its next crash is the first again. */
const SETTLED_MS = 60_000;
// The slowest storage a board boots from is an SD card at 20 MB/s (board facts 4.5); half a minute on top for the rest.
const LOAD_FLOOR_MS = 30_000;
const LOAD_BYTES_PER_MS = 20_000;

/** Time allowed for a load where the runtime kind has no rule of its own, ms: 30 s plus the file at 20 MB/s. */
export const loadDeadlineMs = (weightsBytes: number): number => LOAD_FLOOR_MS + weightsBytes / LOAD_BYTES_PER_MS;

/**
 * The one owner of a model's process. Holds its state and tells every change; knows nothing of other children, of
 * memory, or of who waits.
 */
export class Child {
  readonly #deps: ChildDeps;
  readonly #name: ModelId;
  #state: ChildState = INITIAL_STATE;
  #incarnation: Incarnation | undefined;
  #startedOnce = false;
  #restarts = 0;
  #lastLoadMs: number | undefined;
  #loadBeganMs: number | undefined;
  #retryAtMs = 0;
  #cancelTimers: CancelTimer[] = [];
  #cancelRetry: CancelTimer | undefined;
  #stopping = false;
  #gone: (() => void)[] = [];
  #readyAbort: AbortController | undefined;

  constructor(name: ModelId, deps: ChildDeps) {
    this.#name = name;
    this.#deps = deps;
  }

  get state(): ChildState {
    return this.#state;
  }

  /** The running process; undefined while there is none. */
  get incarnation(): Incarnation | undefined {
    return this.#incarnation;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get lastLoadMs(): number | undefined {
    return this.#lastLoadMs;
  }

  /** Monotonic time at which the running load began. */
  get loadBeganMs(): number | undefined {
    return this.#loadBeganMs;
  }

  /** Monotonic time of the next try; only meaningful in back-off. */
  get retryAtMs(): number {
    return this.#retryAtMs;
  }

  /** Starts a stopped child. Resolves when it is ready; rejects with `start_failed` or `load_timeout`. */
  async start(spec: ChildSpec): Promise<void> {
    const { clock } = this.#deps;
    this.#dispatch({ kind: 'start' });
    if (this.#state.kind !== 'starting') throw this.#startError('it cannot be started now');
    this.#stopping = false;
    this.#loadBeganMs = clock.monotonicMs();
    if (this.#startedOnce && this.#state.failures > 0) this.#restarts += 1;
    this.#startedOnce = true;
    try {
      const incarnation = await this.#spawn(spec);
      await this.#waitUntilReady(incarnation, spec);
      this.#lastLoadMs = clock.monotonicMs() - this.#loadBeganMs;
      this.#dispatch({ kind: 'loaded' });
      // Asked to go in the very moment it became ready.
      if (!incarnation.alive || this.#stopping) throw this.#startError('it was stopped while it loaded');
      this.#cancelTimers.push(clock.after(SETTLED_MS, () => this.#dispatch({ kind: 'settled' })));
    } finally {
      this.#loadBeganMs = undefined;
    }
  }

  /** Takes a slot; the caller has checked that the state allows it. */
  occupy(): void {
    if (this.#incarnation !== undefined) this.#incarnation.used = true;
    this.#dispatch({ kind: 'acquired' });
  }

  /** Gives a slot of this process back. Does nothing when the process is gone. */
  vacate(incarnation: Incarnation, worked: boolean): void {
    if (!incarnation.alive || incarnation !== this.#incarnation) return;
    this.#dispatch({ kind: 'released', worked });
    if (this.#state.kind === 'draining' && this.#state.running === 0) this.#terminate();
  }

  /**
   * Asks it to go once its generations have ended, at the latest after `limitMs` (undefined: however long they take).
   * Resolves when the process is gone.
   */
  drain(reason: string, limitMs: number | undefined): Promise<void> {
    return this.#leave({ kind: 'drain', reason }, limitMs);
  }

  /** Ends a process that is of no use; the child backs off. Resolves when the process is gone. */
  replace(reason: string): Promise<void> {
    return this.#leave({ kind: 'broken', reason }, 0);
  }

  /** Forgets failures and back-off. */
  reset(): void {
    this.#dispatch({ kind: 'reset' });
  }

  #leave(event: ChildEvent, limitMs: number | undefined): Promise<void> {
    this.#dispatch(event);
    if (this.#state.kind !== 'draining') return Promise.resolve();
    const gone = new Promise<void>((resolve) => {
      this.#gone.push(resolve);
    });
    this.#readyAbort?.abort(this.#startError('it was stopped while it loaded'));
    if (runningIn(this.#state) === 0 || limitMs === 0) this.#terminate();
    else if (limitMs !== undefined) this.#cancelTimers.push(this.#deps.clock.after(limitMs, () => this.#terminate()));
    return gone;
  }

  async #spawn(spec: ChildSpec): Promise<Incarnation> {
    const { clock, log, reaper } = this.#deps;
    try {
      const endpoint = { port: await freePort(), apiKey: clock.randomHex(24) };
      const plan = await spec.adapter.launch(spec.model, spec.runtime, endpoint);
      if (this.#state.kind !== 'starting') throw this.#startError('it was stopped before it began');
      const environment = { ...spec.environment, ...plan.environment };
      // A build that takes its key as an argument must not have it kept in a log.
      log.append(`sluice: starting ${[plan.command, ...plan.args].join(' ').replaceAll(endpoint.apiKey, '***')}`);
      const process = await spawnChild({ ...plan, environment, onLine: (line) => log.append(line) }, clock);
      reaper.record(process.pid);
      const connection = spec.adapter.connect(spec.model, endpoint, process.channel);
      const incarnation: Incarnation = {
        endpoint,
        process,
        connection,
        startedAtMs: clock.nowMs(),
        alive: true,
        failedLeases: 0,
        used: false,
      };
      this.#incarnation = incarnation;
      this.#dispatch({ kind: 'spawned' });
      // Asked to go while it was being spawned.
      if (this.state.kind === 'draining') this.#terminate();
      return incarnation;
    } catch (error) {
      const permanent = error instanceof GatewayError && error.code === 'invalid_config';
      this.#onEnd(messageOf(error), permanent);
      if (error instanceof GatewayError) throw error;
      throw this.#startError(messageOf(error), error);
    }
  }

  async #waitUntilReady(incarnation: Incarnation, spec: ChildSpec): Promise<void> {
    const limitMs = spec.adapter.loadDeadlineMs?.(spec.weightsBytes) ?? loadDeadlineMs(spec.weightsBytes);
    const abort = new AbortController();
    this.#readyAbort = abort;
    const late = () =>
      new GatewayError(
        'load_timeout',
        `${this.#name} was not ready after ${formatDurationMs(limitMs)}, the time a file of its size may take; its last line: ${this.#lastLine()}`,
      );
    let cancelDeadline: CancelTimer = () => undefined;
    const ended = incarnation.process.ended.then((status) => {
      const explained = spec.adapter.explainExit?.(this.#deps.log.lines().slice(-40));
      const reason = explained === undefined ? `its last line: ${this.#lastLine()}` : explained.reason;
      const loading = this.#state.kind === 'loading';
      const when = loading ? 'before it was ready' : `while ${this.#state.kind}`;
      // One that was asked to go has nothing to explain.
      const message = this.#stopping ? describeExit(status) : `${describeExit(status)} ${when}; ${reason}`;
      this.#onExit(incarnation, message, loading && explained?.permanent === true);
      const error = this.#startError(message);
      abort.abort(error);
      return error;
    });
    try {
      await this.#waitForTurn(incarnation, abort.signal);
      cancelDeadline = this.#deps.clock.after(limitMs, () => abort.abort(late()));
      await incarnation.connection.ready(abort.signal);
    } catch (error) {
      // Its end explains more than the refused connection it caused.
      if (!incarnation.alive) throw await ended;
      // Not awaited: a process that hangs may need the whole grace time to be gone, the caller need not.
      this.replace(messageOf(error)).catch(() => undefined);
      throw error instanceof GatewayError ? error : this.#startError(messageOf(error), error);
    } finally {
      cancelDeadline();
      this.#readyAbort = undefined;
    }
  }

  /** Waiting until the device is free is no part of the load: neither of its time limit nor of what it is said to take. */
  async #waitForTurn({ connection }: Incarnation, signal: AbortSignal): Promise<void> {
    if (connection.turn === undefined) return;
    const { clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    await connection.turn(signal);
    if (this.#loadBeganMs !== undefined) this.#loadBeganMs += clock.monotonicMs() - beganMs;
  }

  #onExit(incarnation: Incarnation, reason: string, permanent: boolean): void {
    incarnation.alive = false;
    incarnation.connection.close();
    this.#deps.reaper.forget(incarnation.process.pid);
    this.#deps.log.append(`sluice: ${reason}`);
    this.#onEnd(reason, permanent);
  }

  #onEnd(reason: string, permanent: boolean): void {
    this.#incarnation = undefined;
    this.#cancelAllTimers();
    const gone = this.#gone;
    this.#gone = [];
    this.#dispatch({ kind: 'exited', reason, permanent });
    for (const resolve of gone) resolve();
  }

  #terminate(): void {
    const incarnation = this.#incarnation;
    if (incarnation === undefined || this.#stopping) return;
    this.#stopping = true;
    const suspended = incarnation.connection.suspend?.();
    if (suspended === undefined) this.#signalEnd(incarnation);
    // It may have died meanwhile.
    else void suspended.finally(() => incarnation.alive && this.#signalEnd(incarnation));
  }

  #signalEnd(incarnation: Incarnation): void {
    incarnation.process.signal('SIGTERM');
    // One that stands still hears it only when it goes on.
    incarnation.process.signal('SIGCONT');
    this.#cancelTimers.push(
      this.#deps.clock.after(STOP_GRACE_MS, () => {
        this.#deps.log.append(`sluice: still there ${formatDurationMs(STOP_GRACE_MS)} after SIGTERM, killing it`);
        incarnation.process.signal('SIGKILL');
      }),
    );
  }

  #dispatch(event: ChildEvent): void {
    const before = this.#state;
    const after = next(before, event);
    if (after === before) return;
    this.#state = after;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (after.kind === 'backoff') this.#scheduleRetry(after.failures);
    if (before.kind !== after.kind && !isUse(before, after)) {
      const detail = 'reason' in after ? after.reason : '';
      this.#deps.emit({ kind: 'child.state', model: this.#name, from: before.kind, to: after.kind, detail });
    }
    this.#deps.onChange();
  }

  #scheduleRetry(failures: number): void {
    const { clock } = this.#deps;
    const delayMs = backoffMs(failures, Number.parseInt(clock.randomHex(2), 16) / 0xffff);
    this.#retryAtMs = clock.monotonicMs() + delayMs;
    this.#cancelRetry = clock.after(delayMs, () => this.#dispatch({ kind: 'retry' }));
  }

  #cancelAllTimers(): void {
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers = [];
  }

  #startError(why: string, cause?: unknown): GatewayError {
    return new GatewayError('start_failed', `${this.#name} could not be started: ${why}`, { cause });
  }

  #lastLine(): string {
    return this.#deps.log.lines().findLast((line) => line.trim() !== '' && !line.startsWith('sluice: ')) ?? '(none)';
  }
}

function describeExit(status: ExitStatus): string {
  if (status.signal !== undefined) return `its process was ended by ${status.signal}`;
  return `its process exited with code ${status.code ?? 'unknown'}`;
}

/** ready ⇄ busy happens with every request and is told by the request's own record. */
function isUse(before: ChildState, after: ChildState): boolean {
  const kinds = [before.kind, after.kind];
  return kinds.includes('ready') && kinds.includes('busy');
}
