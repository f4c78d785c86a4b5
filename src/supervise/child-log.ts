import { createWriteStream, mkdirSync, openSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';

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
export type ChildLogLimits = { readonly lines: number; readonly fileBytes: number; readonly pendingBytes: number };

const DEFAULT_LIMITS: ChildLogLimits = { lines: 500, fileBytes: 5_000_000, pendingBytes: 1_000_000 };

/** After a failure the file is tried again every so many lines: a full disk may have been emptied. */
const RETRY_LINES = 1000;

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
  const file = createLogFile(join(folder, `${encodeURIComponent(model)}.log`), limits, (why) =>
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

type LogFile = { write(text: string): void; close(): Promise<void> };

function createLogFile(path: string, limits: ChildLogLimits, onLoss: (why: string) => void): LogFile {
  let stream: WriteStream | undefined;
  let bytes = 0;
  let lossTold = false;
  let broken = false;

  let closed = false;
  let skipped = 0;

  const isTimeToRetry = (): boolean => {
    skipped += 1;
    if (skipped % RETRY_LINES !== 0) return false;
    broken = false;
    stream = undefined;
    return true;
  };
  const lose = (why: string) => {
    if (!lossTold) onLoss(why);
    lossTold = true;
  };
  const open = (rotate: boolean): WriteStream | undefined => {
    try {
      mkdirSync(dirname(path), { recursive: true });
      bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (rotate || bytes >= limits.fileBytes) {
        renameSync(path, `${path}.1`);
        bytes = 0;
      }
      // Opened here and now: a stream that opens its path later would open what the next rotation has put there.
      const opened = createWriteStream(path, { fd: openSync(path, 'a') });
      opened.on('error', (error) => {
        broken = true;
        lose(messageOf(error));
      });
      return opened;
    } catch (error) {
      broken = true;
      lose(messageOf(error));
      return undefined;
    }
  };
  return {
    write: (text) => {
      if (closed || (broken && !isTimeToRetry())) return;
      if (stream !== undefined && bytes >= limits.fileBytes) {
        stream.end();
        stream = open(true);
      }
      stream ??= open(false);
      if (stream === undefined) return;
      if (stream.writableLength > limits.pendingBytes) {
        lose(`the disk does not keep up, ${limits.pendingBytes} bytes wait to be written`);
        return;
      }
      bytes += Buffer.byteLength(text);
      stream.write(text);
    },
    close: () =>
      new Promise((resolve) => {
        closed = true;
        if (stream === undefined || broken) resolve();
        else stream.end(() => resolve());
      }),
  };
}
