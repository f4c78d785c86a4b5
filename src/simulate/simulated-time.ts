import type { CancelTimer, Clock } from '../core/clock.ts';

/**
 * A clock that jumps from one event to the next, so that the gateway's own modules run through a day in a second.
 *
 *   events by time, equal times in the order they were set ─▶ callback ─▶ promises it settled run out ─▶ next event
 *
 * The lanes answer by promise. `settle` says that one may have been kept, and the next event then waits until all that
 * follows from it has run: otherwise a freed lane could be given away later than it was freed.
 */
export interface SimulatedTime extends Clock {
  /** Runs `callback` at a time, ms of {@link Clock.nowMs}; a past one counts as now. */
  at(timeMs: number, callback: () => void): CancelTimer;
  /** Call after anything that may have kept a promise. */
  settle(): void;
  /** Runs all events, those set on the way included, until none is left or the signal aborts (then throws its reason). */
  run(signal?: AbortSignal): Promise<void>;
}

type Event = { readonly timeMs: number; readonly order: number; callback: (() => void) | undefined };

/** Between two looks at the signal. */
const EVENTS_PER_BREATH = 2_000;

/**
 * A clock that stands at `startMs` (ms since 1970) until `run`. `breaths` turns of the event loop pass after an event that
 * may have kept a promise: more than one where what follows takes turns itself.
 */
export function createSimulatedTime(startMs: number, breaths = 1): SimulatedTime {
  const heap: Event[] = [];
  let nowMs = startMs;
  let order = 0;
  let unsettled = false;

  const at = (timeMs: number, callback: () => void): CancelTimer => {
    const event: Event = { timeMs: Math.max(timeMs, nowMs), order, callback };
    order += 1;
    push(heap, event);
    return () => {
      event.callback = undefined;
    };
  };
  const after = (delayMs: number, callback: () => void) => at(nowMs + delayMs, callback);
  return {
    at,
    after,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const cancel = after(delayMs, resolve);
        signal?.addEventListener('abort', () => {
          cancel();
          reject(signal.reason);
        });
      }),
    // Not random and not meant to be: ids of a simulation only have to differ.
    randomHex: (bytes) => {
      order += 1;
      return order
        .toString(16)
        .padStart(bytes * 2, '0')
        .slice(-bytes * 2);
    },
    settle: () => {
      unsettled = true;
    },
    run: async (signal) => {
      let sinceBreath = 0;
      for (let event = pop(heap); event !== undefined; event = pop(heap)) {
        if (event.callback === undefined) continue;
        nowMs = event.timeMs;
        event.callback();
        sinceBreath += 1;
        if (!unsettled && sinceBreath < EVENTS_PER_BREATH) continue;
        unsettled = false;
        sinceBreath = 0;
        for (let breath = 0; breath < breaths; breath += 1) await new Promise(setImmediate);
        signal?.throwIfAborted();
      }
    },
  };
}

const isBefore = (a: Event, b: Event): boolean => a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let place = heap.length;
  heap.push(event);
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(event, above)) break;
    heap[place] = above;
    place = parent;
  }
  heap[place] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    let least = left;
    if (right !== undefined && isBefore(right, left)) {
      least = right;
      child += 1;
    }
    if (!isBefore(least, last)) break;
    heap[place] = least;
    place = child;
  }
  heap[place] = last;
  return first;
}
