import { join } from 'node:path';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import { type LogFileLimits, openLogFile } from '../observe/log-file.ts';

/** What a child printed: the last lines in memory, more of them in a bounded file. */
export interface ChildLog {
  /** Never blocks and never throws; where the disk does not keep up, lines are left out of the file. */
  append(line: string): void;
  /** The last lines, oldest first. */
  lines(): readonly string[];
  /** Calls `listener` for every line from now on; returns the way to stop. */
  follow(listener: (line: string) => void): () => void;
  close(): Promise<void>;
}

/** Bounds; the defaults keep at most 10 MB per model on disk. */
export type ChildLogLimits = { readonly lines: number } & Omit<LogFileLimits, 'olderFiles'>;

const DEFAULT_LIMITS: ChildLogLimits = { lines: 500, fileBytes: 5_000_000, pendingBytes: 1_000_000 };

/**
 * Opens the log of one model at `<folder>/<model>.log`; the file before it is kept as `.log.1`. A full disk or a folder
 * that cannot be written is told once and costs lines, never the child.
 */
export function openChildLog(
  model: ModelId,
  folder: string,
  emit: EmitEvent,
  limits: ChildLogLimits = DEFAULT_LIMITS,
): ChildLog {
  const file = openLogFile(join(folder, `${encodeURIComponent(model)}.log`), { ...limits, olderFiles: 1 }, (why) =>
    emit({
      kind: 'gateway.notice',
      level: 'warn',
      message: `lines of ${model} are missing from its log file: ${why}; free some disk space, the child itself runs on`,
    }),
  );
  const ring: string[] = [];
  const listeners = new Set<(line: string) => void>();
  return {
    append: (line) => {
      ring.push(line);
      // Cut in bulk, so that the common line costs a push and nothing else.
      if (ring.length >= limits.lines * 2) ring.splice(0, ring.length - limits.lines);
      file.write(`${line}\n`);
      for (const listener of listeners) listener(line);
      emit({ kind: 'child.log', model, line });
    },
    lines: () => ring.slice(-limits.lines),
    follow: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => file.close(),
  };
}
