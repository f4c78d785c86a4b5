import type { MachineWatch } from '../bench/machine-watch.ts';
import type { IdleRunParts, IdleRuns, ProbeFigures } from '../bench/measure-idle.ts';
import type { CancelTimer } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { IdleBenchPolicy, ModelPolicy } from '../core/policy.ts';
import type { ModelFacts, Profile } from '../core/profile.ts';
import type { Lanes, LaneTicket } from '../supervise/lane.ts';
import type { Lease, Supervisor } from '../supervise/supervisor-types.ts';
import { reasonsToMeasure } from './idle-reasons.ts';

// Keeps figures fresh while nobody asks.
//
//   busy ──nobody asks for `after`──▶ idle ──a loaded model has a reason, machine cool──▶ measuring
//     ▲                                ▲                                                    │   │
//     │                                └──────────── measured, or it failed ◀──────────────┘   │
//     └───────────────────── a request arrives: stopped within one decode step ◀───────────────┘
//
// One model at a time, on its running child, through its device's lane like any other work. What an interrupted
// measurement had is kept and gone on with. Only loaded models are looked at: a load would cost somebody's memory.

/** What the measuring in idle time needs of the gateway. */
export type IdleBenchParts = Omit<IdleRunParts, 'supervisor'> & {
  readonly emit: EmitEvent;
  readonly lanes: Pick<Lanes, 'tryAdmit' | 'views' | 'onArrival'>;
  readonly supervisor: Pick<Supervisor, 'views' | 'tryAcquire'>;
  readonly watch: MachineWatch;
  readonly profileOf: (model: ModelPolicy, facts: ModelFacts | undefined) => Profile;
  readonly isDrifting: (device: string, model: ModelId) => boolean;
  /** The child's caches hold a measurement's prompt now, and no conversation. */
  readonly cachesLost: (model: ModelId) => void;
  /** One short request was timed: what live traffic would have shown. */
  readonly probed: (model: ModelPolicy, figures: ProbeFigures) => void;
  /** New figures of a model on this device are stored. */
  readonly remeasured: (device: string, model: ModelId) => void;
};

/** What it is doing, for `/router/status`. */
export type IdleBenchStatus =
  | { readonly kind: 'off' }
  | { readonly kind: 'busy' | 'nothing_to_do' | 'too_hot' }
  | { readonly kind: 'measuring'; readonly model: ModelId; readonly reasons: readonly string[] };

/** Measuring in idle time. */
export interface IdleBench {
  readonly status: () => IdleBenchStatus;
  /** Stops what is being measured and does not begin again; resolves when the engine is free. */
  readonly close: () => Promise<void>;
}

/** Gap between two looks whether anything should be measured. */
const LOOK_EVERY_MS = 1_000;
/** A model whose measurement failed or was disturbed is left alone for so many times the idle time. */
const REST_TIMES = 10;
/** What is left of an interrupted measurement, as others' predictions see it: the engine stops within one decode step. */
const CANCEL_MS = 100;

/** Starts looking; measures nothing before `bench.idle.after` has passed. */
export function createIdleBench(parts: IdleBenchParts): IdleBench {
  return new IdleMeasuring(parts);
}

type Chosen = { readonly model: ModelPolicy; readonly device: string; readonly reasons: readonly string[] };

class IdleMeasuring implements IdleBench {
  readonly #parts: IdleBenchParts;
  #runs: IdleRuns | undefined;
  /** Models left alone until this time, because measuring them came to nothing. */
  readonly #resting = new Map<ModelId, number>();
  #lastBusyMs: number;
  #status: IdleBenchStatus = { kind: 'busy' };
  #abort: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #cancelTimer: CancelTimer = () => {};
  #closed = false;

  constructor(parts: IdleBenchParts) {
    this.#parts = parts;
    this.#lastBusyMs = parts.clock.monotonicMs();
    parts.lanes.onArrival(() => this.#arrived());
    this.#schedule();
  }

  status = (): IdleBenchStatus => this.#status;

  close = async (): Promise<void> => {
    this.#closed = true;
    this.#cancelTimer();
    this.#parts.lanes.onArrival(undefined);
    this.#abort?.abort(new GatewayError('shutting_down', 'the gateway stops'));
    await this.#running;
  };

  #arrived(): void {
    this.#lastBusyMs = this.#parts.clock.monotonicMs();
    this.#abort?.abort(new GatewayError('cancelled', 'a request has come'));
  }

  #schedule(): void {
    if (this.#closed) return;
    const { idle } = this.#parts.policy().bench;
    const everyMs = Math.min(LOOK_EVERY_MS, idle?.afterMs ?? LOOK_EVERY_MS);
    this.#cancelTimer = this.#parts.clock.after(everyMs, () => {
      this.#running = this.#look()
        .catch((error: unknown) => this.#notice('error', `measuring in idle time: ${messageOf(error)}`))
        .finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const { policy, clock, watch, lanes } = this.#parts;
    const { idle } = policy().bench;
    const nowMs = clock.monotonicMs();
    for (const lane of lanes.views().values()) {
      if (lane.running.length + lane.waiting.length > 0) this.#lastBusyMs = nowMs;
    }
    if (idle === undefined) this.#status = { kind: 'off' };
    else if (nowMs - this.#lastBusyMs < idle.afterMs) this.#status = { kind: 'busy' };
    else {
      const chosen = this.#choose(idle);
      if (chosen === undefined) this.#status = { kind: 'nothing_to_do' };
      else {
        watch.look();
        if ((watch.hottest() ?? 0) >= idle.temperatureMaxCelsius) this.#status = { kind: 'too_hot' };
        else await this.#measure(chosen, idle);
      }
    }
  }

  /** Of the loaded models the one with the most reasons; a drifting or stale one has more than one that is only old. */
  #choose(idle: IdleBenchPolicy): Chosen | undefined {
    const { policy, supervisor, clock, watch } = this.#parts;
    const { models, runtimes } = policy();
    let best: Chosen | undefined;
    for (const [id, view] of supervisor.views()) {
      const model = models.get(id);
      const runtime = model && runtimes.get(model.runtime);
      if (model === undefined || runtime === undefined || view.residency.kind !== 'ready') continue;
      // What is measured are generations.
      if ((model.capabilities.generation ?? view.facts?.capabilities.generation) === false) continue;
      if ((this.#resting.get(id) ?? 0) > clock.monotonicMs()) continue;
      const profile = this.#parts.profileOf(model, view.facts);
      const { runtimeVersion } = view;
      const stale = watch.staleOf({ policy: model, kind: runtime.kind, profile, runtimeVersion });
      const isDrifting = this.#parts.isDrifting(runtime.device, id);
      const reasons = reasonsToMeasure({ profile, stale, isDrifting }, idle, clock.nowMs());
      if (reasons.length > (best?.reasons.length ?? 0)) best = { model, device: runtime.device, reasons };
    }
    return best;
  }

  async #measure(chosen: Chosen, idle: IdleBenchPolicy): Promise<void> {
    const { model, device, reasons } = chosen;
    const slots = this.#parts.supervisor.views().get(model.id)?.parallel ?? 1;
    const admission = { device, slots, class: 'batch', model: model.id } as const;
    const before = this.#lastBusyMs;
    const ticket = this.#parts.lanes.tryAdmit({ ...admission, deadlineMs: Infinity, predictedMs: CANCEL_MS });
    // Asking for a lane is an arrival as well, but not somebody's.
    this.#lastBusyMs = before;
    const lease = ticket === undefined ? undefined : this.#parts.supervisor.tryAcquire(model.id);
    if (ticket === undefined || lease === undefined) {
      ticket?.release();
      return;
    }
    ticket.update(() => CANCEL_MS);
    this.#abort = new AbortController();
    this.#status = { kind: 'measuring', model: model.id, reasons };
    await this.#measureWith(chosen, { ticket, lease, signal: this.#abort.signal, restMs: idle.afterMs * REST_TIMES });
  }

  async #measureWith({ model, device, reasons }: Chosen, held: Held): Promise<void> {
    let how: Parameters<Lease['release']>[0] = 'failed';
    try {
      const runs = await this.#loadRuns();
      this.#parts.probed(model, await runs.probe(model, held));
      const outcome = await runs.measure(model, held);
      how = 'ok';
      if (outcome.kind === 'disturbed') this.#rest(model.id, held.restMs);
      else this.#parts.remeasured(device, model.id);
      this.#notice('info', `${model.id} was measured in idle time (${reasons.join('; ')}): ${outcome.text}`);
    } catch (error) {
      if (held.signal.aborted) how = 'aborted';
      else {
        this.#rest(model.id, held.restMs);
        this.#notice('warn', `${model.id} could not be measured in idle time: ${messageOf(error)}`);
      }
    } finally {
      this.#parts.cachesLost(model.id);
      await held.lease.release(how);
      held.ticket.release();
      this.#abort = undefined;
      this.#status = { kind: 'busy' };
    }
  }

  // Most gateways do not measure, or not soon.
  async #loadRuns(): Promise<IdleRuns> {
    const { createIdleRuns } = await import('../bench/measure-idle.ts');
    this.#runs ??= createIdleRuns(this.#parts);
    return this.#runs;
  }

  #rest(model: ModelId, restMs: number): void {
    this.#resting.set(model, this.#parts.clock.monotonicMs() + restMs);
  }

  #notice(level: 'info' | 'warn' | 'error', message: string): void {
    this.#parts.emit({ kind: 'gateway.notice', level, message });
  }
}

type Held = {
  readonly ticket: LaneTicket;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly restMs: number;
};
