import type { ModelClass } from '../core/classes.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { LaneRequest, Lanes, LaneTicket } from '../supervise/lane.ts';
import type { Lease, ReleaseKind, Supervisor } from '../supervise/supervisor-types.ts';

/** What a place needs of the gateway. */
export type PlaceParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly lanes: Pick<Lanes, 'admit'>;
  readonly supervisor: Pick<Supervisor, 'isLoaded'>;
};

/** How a run makes way for a more urgent one. */
export type Yielding = {
  readonly by: readonly ModelClass[];
  /** See `core/snapshot.ts`. */
  readonly atOnce: boolean;
  /** True where its engine may stand still instead of being stopped. */
  readonly mayPause: boolean;
  /** How long the engine needs to stop, ms, by the time since it was given the prompt. */
  readonly cancelMs: (spentMs: number) => number;
  /** What it waits with for the lane to be free again. */
  readonly request: () => LaneRequest;
  /** Work left, ms, by the time since the engine was given the prompt. */
  readonly workLeft: () => (spentMs: number) => number;
  /** Its engine is to be stopped for good, for a request of this class. */
  readonly leave: (by: ModelClass) => void;
};

/**
 * A run's lane and its slot in a child, and the order in which they are given back.
 *
 * A run that nobody waits for can stand aside: its child's process stands still and its lane is given to somebody else,
 * who needs another model that is loaded beside it. The slot stays, and the work goes on where it was.
 */
export class EnginePlace {
  ticket: LaneTicket | undefined;
  lease: Lease | undefined;
  /** When the engine was given the prompt, monotonic ms, later by what it has stood still since; undefined before. */
  sentMs: number | undefined;
  /** Time it has stood still, ms. */
  pausedMs = 0;
  readonly #parts: PlaceParts;
  #aside: AbortController | undefined;

  constructor(parts: PlaceParts) {
    this.#parts = parts;
  }

  /** Time the engine has worked on the prompt, ms; 0 before it was given it. */
  spentMs(): number {
    return this.sentMs === undefined ? 0 : this.#parts.clock.monotonicMs() - this.sentMs;
  }

  /** Lets the lane interrupt the run from now on. */
  allowInterruption(how: Yielding): void {
    this.ticket?.allowInterruption({
      ...{ by: how.by, atOnce: how.atOnce, pauses: how.mayPause && this.lease?.pausable === true },
      cancelMs: () => (this.sentMs === undefined ? 0 : how.cancelMs(this.spentMs())),
      interrupt: (by, model) => {
        if (!how.mayPause || !this.#standAside(how, by, model)) how.leave(by);
      },
    });
  }

  /**
   * Gives the slot and then the lane back. The lane is free only when the engine really is: after an abort it may still
   * be in a prefill batch. Without a slot the lane is free at once.
   */
  giveBack(how: ReleaseKind): void {
    const { ticket, lease } = this;
    this.ticket = undefined;
    this.lease = undefined;
    this.sentMs = undefined;
    this.#aside?.abort(new Error('over'));
    this.#aside = undefined;
    if (lease === undefined) {
      ticket?.release();
      return;
    }
    const { emit } = this.#parts;
    lease
      .release(how)
      .catch((error: unknown) => {
        emit({ kind: 'gateway.notice', level: 'error', message: `releasing ${lease.model}: ${messageOf(error)}` });
      })
      .finally(() => ticket?.release());
  }

  #standAside(how: Yielding, by: ModelClass, forModel: ModelId): boolean {
    const { clock, lanes, supervisor } = this.#parts;
    const { lease, ticket, sentMs } = this;
    if (lease === undefined || ticket === undefined || sentMs === undefined) return false;
    // What has to be loaded first may need this child's memory.
    if (forModel === lease.model || !supervisor.isLoaded(forModel)) return false;
    const [aside, sinceMs] = [new AbortController(), clock.monotonicMs()];
    const stoodStill = () => {
      const pausedMs = clock.monotonicMs() - sinceMs;
      this.#aside = undefined;
      this.sentMs = sentMs + pausedMs;
      this.pausedMs += pausedMs;
    };
    const giveUp = () => {
      stoodStill();
      aside.abort(new Error('given up'));
      how.leave(by);
    };
    if (!lease.pause(giveUp)) return false;
    const goOn = (next: LaneTicket) => {
      if (aside.signal.aborted) {
        next.release();
        return;
      }
      stoodStill();
      this.ticket = next;
      lease.resume();
      const [left, spentMs] = [how.workLeft(), this.spentMs()];
      next.update((elapsedMs) => left(spentMs + elapsedMs));
      this.allowInterruption(how);
    };
    this.#aside = aside;
    this.ticket = undefined;
    ticket.release();
    // Whoever ended it meanwhile has told so; where the gateway stops, it ends all that runs.
    lanes.admit(how.request(), aside.signal).then(goOn, () => undefined);
    return true;
  }
}
