import { learnPace, type Pace, type Reserve, reserveOf } from '../../batch/pace.ts';

/** An attempt that has ended. */
export type SpentAttempt = {
  /** One that was in vain takes its time too, and nothing was planned for it. */
  readonly isDone: boolean;
  readonly tookMs: number;
  /** By the plan in force when it was begun. */
  readonly plannedMs: number;
  /** By the batch's first plan, by which a promise was made. */
  readonly promisedMs: number;
};

/** What batches have used since this process began, and what is learned of it. */
export interface SpentBook {
  add(batch: string, attempt: SpentAttempt): void;
  /** Time in which a batch could have run and nothing did: a backup, heat, people whose model was not to be pushed out. */
  waited(batch: string, ms: number): void;
  /** What is expected of the rest of a batch: past nights, and what it has shown itself. */
  reserve(batch: string): Reserve;
  /** Items per hour of running; null before the first. */
  itemsPerHour(batch: string): number | null;
  /** Learns from a batch that has ended, and forgets it. */
  close(batch: string): void;
}

type Spent = {
  readonly busyMs: number;
  readonly waitedMs: number;
  readonly items: number;
  readonly expectedMs: number;
  readonly promisedMs: number;
  /** Sum of the squares of what was promised of each. */
  readonly squares: number;
};

const NOTHING: Spent = { busyMs: 0, waitedMs: 0, items: 0, expectedMs: 0, promisedMs: 0, squares: 0 };

/** A book that learns from, and saves, what `pace` keeps. */
export function createSpentBook(pace: { load(): Pace; save(pace: Pace): void }): SpentBook {
  const spent = new Map<string, Spent>();
  const of = (batch: string): Spent => spent.get(batch) ?? NOTHING;
  return {
    add: (batch, { isDone, tookMs, plannedMs, promisedMs }) => {
      const before = of(batch);
      const done = isDone ? 1 : 0;
      spent.set(batch, {
        busyMs: before.busyMs + tookMs,
        waitedMs: before.waitedMs,
        items: before.items + done,
        expectedMs: before.expectedMs + done * plannedMs,
        promisedMs: before.promisedMs + done * promisedMs,
        squares: before.squares + done * promisedMs ** 2,
      });
    },
    waited: (batch, ms) => {
      const before = of(batch);
      spent.set(batch, { ...before, waitedMs: before.waitedMs + ms });
    },
    reserve: (batch) => reserveOf(pace.load(), spent.get(batch)),
    itemsPerHour: (batch) => {
      const { items, busyMs } = of(batch);
      return busyMs > 0 ? Math.round((items * 36_000_000) / busyMs) / 10 : null;
    },
    close: (batch) => {
      const { busyMs, waitedMs, promisedMs, squares } = of(batch);
      spent.delete(batch);
      if (promisedMs <= 0) return;
      const night = { actualMs: busyMs + waitedMs, plannedMs: promisedMs, concentration: squares / promisedMs ** 2 };
      pace.save(learnPace(pace.load(), night));
    },
  };
}
