import type { CancelTimer, Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';

/**
 * Rows wait here until a timer writes them, so that no request ever waits for the disk.
 *
 *   add → pending ──(every 500 ms)──→ up to 128 rows in one transaction → the next 128 a moment later
 *                          └─ fails → one notice, rows stay, again in 5 s → success → one notice
 *
 * Half a second of waiting plus the steps of a burst keep the promise that a crash loses at most the last second.
 * Steps are small because SQLite works on the thread that also passes on tokens: 128 rows take about 1 ms.
 */
export interface WriteBuffer<Row> {
  /** Keeps a row; where the buffer is full the oldest one is dropped. Never throws. */
  add(row: Row): void;
  /** Rows not written yet, oldest first. */
  pending(): readonly Row[];
  /** Writes everything now. False where the disk refused it; the rows stay. */
  flush(): boolean;
  /** Flushes and stops the timer. Rows the disk refuses are given up with a notice. */
  close(): void;
}

/** Rows one transaction takes. */
export const ROWS_PER_STEP = 128;
/** Rows kept at most: at 2 kB each 20 MB, and minutes of a board's traffic. */
export const ROWS_PENDING_MAX = 10_000;
const FLUSH_EVERY_MS = 500;
const NEXT_STEP_MS = 10;
const RETRY_MS = 5_000;

// A full or busy disk may recover, so the rows wait. Any other refusal is about the rows themselves and would repeat for
// ever, so those are given up.
const MAY_RECOVER = /^SQLITE_(FULL|IOERR|BUSY|READONLY|CANTOPEN|LOCKED|NOMEM|CORRUPT|NOTADB)/;

/** Makes a {@link WriteBuffer} over `write`, which stores the rows in one transaction or throws. */
export function createWriteBuffer<Row>(deps: {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly file: string;
  readonly write: (rows: readonly Row[]) => void;
  /** Called with rows that leave the buffer, written or not: from then on they must not be changed. */
  readonly left?: (rows: readonly Row[]) => void;
}): WriteBuffer<Row> {
  let rows: Row[] = [];
  let dropped = 0;
  let failing = false;
  let closed = false;
  let cancelTimer: CancelTimer | undefined;

  const notice = (level: 'info' | 'warn', message: string) => deps.emit({ kind: 'gateway.notice', level, message });

  const removeOldest = (count: number) => {
    deps.left?.(rows.slice(0, count));
    rows = rows.slice(count);
  };

  const schedule = (delayMs: number) => {
    if (closed || cancelTimer !== undefined) return;
    cancelTimer = deps.clock.after(delayMs, () => {
      cancelTimer = undefined;
      const wrote = step();
      if (rows.length > 0) schedule(wrote ? NEXT_STEP_MS : RETRY_MS);
    });
  };

  // A step's worth waits: written now, its records die young; kept for half a second at thousands per second they would
  // all be moved to the old generation, and collecting them there cost more than writing them.
  const hurry = () => {
    cancelTimer?.();
    cancelTimer = undefined;
    schedule(0);
  };

  const step = (): boolean => {
    const batch = rows.slice(0, ROWS_PER_STEP);
    try {
      deps.write(batch);
    } catch (error) {
      if (MAY_RECOVER.test(codeOf(error))) {
        if (!failing)
          notice('warn', `${deps.file} cannot be written (${messageOf(error)}): serving goes on, history waits`);
        failing = true;
        return false;
      }
      notice('warn', `${batch.length} rows of history could not be stored in ${deps.file}: ${messageOf(error)}`);
    }
    removeOldest(batch.length);
    if (failing) notice('info', `${deps.file} can be written again; ${dropped} rows of history were lost meanwhile`);
    failing = false;
    dropped = 0;
    return true;
  };

  const flush = (): boolean => {
    while (rows.length > 0) if (!step()) return false;
    return true;
  };

  return {
    add: (row) => {
      if (closed) return;
      rows.push(row);
      if (rows.length > ROWS_PENDING_MAX) {
        // A tenth at once: dropping one by one would move the whole array for every request of an outage.
        const surplus = ROWS_PENDING_MAX / 10;
        removeOldest(surplus);
        dropped += surplus;
        if (!failing)
          notice('warn', `more requests than ${deps.file} takes in: ${surplus} rows of history were dropped`);
      }
      schedule(FLUSH_EVERY_MS);
      if (rows.length === ROWS_PER_STEP && !failing) hurry();
    },
    pending: () => rows,
    flush,
    close: () => {
      if (closed) return;
      flush();
      closed = true;
      cancelTimer?.();
      if (rows.length > 0)
        notice('warn', `${rows.length} rows of history could not be written to ${deps.file} before the end`);
      rows = [];
    },
  };
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
