import { type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CancelTimer, Clock } from '../core/clock.ts';

/** A running watch. */
export type FileWatch = {
  /** Stops watching; no change is reported after it. */
  close(): void;
};

/** How often the file is looked at: soon enough for an editor's user, and a few stats a second cost nothing. */
const LOOK_EVERY_MS = 250;

/**
 * Calls `onChange` after a file was written, replaced, removed or created again, compared with its state at the call.
 * It looks at the file itself in intervals instead of listening to its folder: that sees a file renamed over the old
 * one, a symbolic link that points elsewhere and a network share alike, and what is written beside it (logs, a
 * database) costs nothing. A file that cannot be looked at counts as absent.
 */
export function watchFile(path: string, clock: Clock, onChange: () => void): FileWatch {
  const file = resolve(path);
  let seen = identity(statSync(file, { throwIfNoEntry: false }));
  let closed = false;
  let cancelTimer: CancelTimer | undefined;
  const look = async () => {
    const now = identity(await stat(file).catch(() => undefined));
    if (closed) return;
    const changed = now !== seen;
    seen = now;
    schedule();
    if (changed) onChange();
  };
  const schedule = () => {
    cancelTimer = clock.after(LOOK_EVERY_MS, () => void look());
  };
  schedule();
  return {
    close: () => {
      closed = true;
      cancelTimer?.();
    },
  };
}

const identity = (stats: Stats | undefined): string =>
  stats === undefined ? 'absent' : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;
