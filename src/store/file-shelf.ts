import { createReadStream, createWriteStream, mkdirSync, readdirSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';

/**
 * The bytes of clients' files, one file each in a folder beside the database. A file has its name only once all of it is
 * on the disk; what is left of an interrupted write is swept away at the next start.
 */
export interface FileShelf {
  readonly folder: string;
  pathOf(id: string): string;
  /**
   * Writes a file from pieces as they come, never holding more than one; returns its length in bytes. Rejects with
   * `payload_too_large` beyond `bytesMax`, `disk_full`, `store_failed`, or whatever the source throws; nothing is left.
   */
  write(id: string, pieces: AsyncIterable<Uint8Array | string>, bytesMax?: number): Promise<number>;
  /** A stream of its bytes; `start` and `end` (included) as `createReadStream` has them. */
  read(id: string, range?: { readonly start: number; readonly end: number }): NodeJS.ReadableStream;
  /** Bytes `offset` to `offset + length`, whole. Rejects with `store_failed` where the file has fewer. */
  slice(id: string, offset: number, length: number): Promise<Buffer>;
  /** Nothing where there is none. */
  remove(id: string): Promise<void>;
  /**
   * Removes what the last process left and nobody knows; returns how many files. What came in since the shelf was opened
   * stays: it may be on its way to its row.
   */
  sweep(isKnown: (id: string) => boolean): Promise<number>;
}

const PART = '.part';

/** Opens the shelf in `folder`, which is made where it does not exist. */
export function openFileShelf(folder: string): FileShelf {
  mkdirSync(folder, { recursive: true });
  const left = new Set(readdirSync(folder));
  const pathOf = (id: string) => join(folder, id);
  return {
    folder,
    pathOf,
    write: async (id, pieces, bytesMax = Number.POSITIVE_INFINITY) => {
      const part = `${pathOf(id)}${PART}`;
      left.delete(id);
      left.delete(`${id}${PART}`);
      try {
        const bytes = await writePart(part, pieces, bytesMax);
        await rename(part, pathOf(id));
        await sync(folder);
        return bytes;
      } catch (error) {
        await rm(part, { force: true });
        throw shelfError(part, error);
      }
    },
    read: (id, range) => createReadStream(pathOf(id), range),
    slice: async (id, offset, length) => {
      const path = pathOf(id);
      try {
        const file = await open(path, 'r');
        try {
          const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
          if (bytesRead < length) throw new Error(`it ends ${length - bytesRead} bytes too early`);
          return buffer;
        } finally {
          await file.close();
        }
      } catch (error) {
        throw shelfError(path, error);
      }
    },
    remove: (id) => rm(pathOf(id), { force: true }),
    sweep: async (isKnown) => {
      const unknown = [...left].filter((name) => !isKnown(name));
      left.clear();
      for (const name of unknown) await rm(join(folder, name), { force: true });
      return unknown.length;
    },
  };
}

async function writePart(part: string, pieces: AsyncIterable<Uint8Array | string>, bytesMax: number): Promise<number> {
  let bytes = 0;
  // `flush` puts the bytes on the disk before the stream ends.
  const out = createWriteStream(part, { flush: true });
  await pipeline(
    pieces,
    async function* (source: AsyncIterable<Uint8Array | string>) {
      for await (const piece of source) {
        bytes += Buffer.byteLength(piece);
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        yield piece;
      }
    },
    out,
  );
  return bytes;
}

// The new name itself must survive a power cut too.
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const tooLarge = (bytesMax: number): GatewayError =>
  new GatewayError('payload_too_large', `the file is larger than ${formatBytes(bytesMax)} (batch.file_limit)`, {
    param: 'file',
  });

function shelfError(path: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GatewayError('disk_full', `${path} cannot be written, the disk is full: free some space and try again`, {
      cause: error,
    });
  }
  return new GatewayError('store_failed', `${path}: ${messageOf(error)}`, { cause: error });
}
