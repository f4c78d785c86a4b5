import type { Clock } from '../core/clock.ts';
import type { RequestId } from '../core/ids.ts';

/** An answer that has not ended. */
export interface OpenAnswer {
  readonly requestId: RequestId;
  /** Name of the client it is for; undefined where nobody has one. */
  readonly client?: string | undefined;
  /** Its place among the open answers; theirs to write. -1 when it is not among them. */
  slot: number;
  /** Called about twice a second with the monotonic time, to keep a silent connection alive. */
  beat(nowMs: number): void;
  /** Ends the request on somebody else's word. */
  cancel(): void;
}

/** All answers under way, with one timer for the heartbeats of all of them instead of one or two per request. */
export interface OpenAnswers {
  readonly size: number;
  add(answer: OpenAnswer): void;
  /** A second call does nothing. */
  remove(answer: OpenAnswer): void;
  find(id: RequestId): OpenAnswer | undefined;
  cancelAll(): void;
  /** Resolves when there is none, at once where there is none now. */
  idle(): Promise<void>;
}

const TICK_MS = 500;

/**
 * Starts ticking when the first answer is added and stops when the last one is gone. An array and not a Set or Map:
 * V8's hash tables, when entries come and go by the thousand, leave a chain of discarded tables in the old generation,
 * each keeping the answers of its time alive until the next full collection.
 */
export function createOpenAnswers(clock: Clock): OpenAnswers {
  const answers: OpenAnswer[] = [];
  const waiting: (() => void)[] = [];
  let ticking = false;
  const tick = () => {
    ticking = false;
    const nowMs = clock.monotonicMs();
    for (const answer of answers) answer.beat(nowMs);
    schedule();
  };
  const schedule = () => {
    if (ticking || answers.length === 0) return;
    ticking = true;
    clock.after(TICK_MS, tick);
  };
  return {
    get size() {
      return answers.length;
    },
    add: (answer) => {
      answer.slot = answers.push(answer) - 1;
      schedule();
    },
    remove: (answer) => {
      const { slot } = answer;
      if (slot === -1) return;
      answer.slot = -1;
      const last = answers.pop();
      if (last !== undefined && last !== answer) {
        answers[slot] = last;
        last.slot = slot;
      }
      if (answers.length === 0) for (const resolve of waiting.splice(0)) resolve();
    },
    find: (id) => answers.find(({ requestId }) => requestId === id),
    idle: () => (answers.length === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    cancelAll: () => {
      for (const answer of [...answers]) answer.cancel();
    },
  };
}
