import { createWriteStream, mkdirSync, openSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../core/errors.ts';

/** A bounded file of lines. */
export interface LogFile {
  /** Never blocks and never throws; where the disk does not keep up, what is written is left out. */
  write(text: string): void;
  /** Resolves when everything written is in the file. */
  close(): Promise<void>;
}

/** Bounds of a log file. */
export type LogFileLimits = {
  /** A file that has reached so many bytes is put aside. */
  readonly fileBytes: number;
  /** Files kept beside the one that is written: `<path>.1` is the newest of them. At least 1. */
  readonly olderFiles: number;
  /** Bytes that may wait for the disk. */
  readonly pendingBytes: number;
};

/** After a failure the file is tried again every so many writes: a full disk may have been emptied. */
const RETRY_WRITES = 1000;

/**
 * Opens a file at its first write, and goes on with what stands there. A full disk or a folder that cannot be written
 * costs lines and nothing else; `onLoss` is told once, with the reason.
 */
export function openLogFile(path: string, limits: LogFileLimits, onLoss: (why: string) => void): LogFile {
  let stream: WriteStream | undefined;
  let bytes = 0;
  let lossTold = false;
  let broken = false;
  let closed = false;
  let skipped = 0;

  const isTimeToRetry = (): boolean => {
    skipped += 1;
    if (skipped % RETRY_WRITES !== 0) return false;
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
        putAside(path, limits.olderFiles);
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

/** `<path>` becomes `<path>.1`, that `<path>.2` and so on; what would become more than `olderFiles` is overwritten. */
function putAside(path: string, olderFiles: number): void {
  for (let number = olderFiles - 1; number >= 1; number -= 1) {
    if (statSync(`${path}.${number}`, { throwIfNoEntry: false }) !== undefined) {
      renameSync(`${path}.${number}`, `${path}.${number + 1}`);
    }
  }
  renameSync(path, `${path}.1`);
}
