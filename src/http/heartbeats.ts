import type { Clock } from '../core/clock.ts';

/** An answer that may need to be kept alive while it has nothing to say. */
export interface Beating {
  /** Called about twice a second with the monotonic time. */
  beat(nowMs: number): void;
}

/** One timer for all answers under way, instead of one or two per request. */
export interface Heartbeats {
  add(answer: Beating): void;
  remove(answer: Beating): void;
  close(): void;
}

const TICK_MS = 500;

/** Starts ticking when the first answer is added and stops when the last one is gone. */
export function createHeartbeats(clock: Clock): Heartbeats {
  const answers = new Set<Beating>();
  let cancel: (() => void) | undefined;
  const tick = () => {
    cancel = undefined;
    const nowMs = clock.monotonicMs();
    for (const answer of answers) answer.beat(nowMs);
    schedule();
  };
  const schedule = () => {
    if (cancel === undefined && answers.size > 0) cancel = clock.after(TICK_MS, tick);
  };
  return {
    add: (answer) => {
      answers.add(answer);
      schedule();
    },
    remove: (answer) => {
      answers.delete(answer);
    },
    close: () => {
      cancel?.();
      cancel = undefined;
      answers.clear();
    },
  };
}
