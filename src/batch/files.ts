import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { Policy } from '../core/policy.ts';
import type { BatchTable, Page, StoredFile } from '../store/batch-table.ts';
import type { FileShelf } from '../store/file-shelf.ts';

/** A file as a client sends it. */
export type Upload = {
  readonly client: string;
  readonly filename: string;
  readonly purpose: string;
  /** Life from now, ms; undefined = the policy's. */
  readonly lifeMs: number | undefined;
};

/** Clients' files. Every call sees one client's own only; a file of another is not found. */
export interface Files {
  /** Takes the bytes in as they come; the file exists once all of them are on the disk. Rejects as the shelf does. */
  write(pieces: AsyncIterable<Uint8Array>): Promise<WrittenUpload>;
  /** Makes a file of what was written. */
  add(upload: Upload, written: WrittenUpload): StoredFile;
  /** Takes back what was written and is not to become a file. */
  discard(written: WrittenUpload): Promise<void>;
  /** Throws `not_found`. */
  find(client: string, id: string): StoredFile;
  /** Throws `not_found` where there is no file `after`: the page that follows it is not known any more. */
  list(client: string, page: Page & { readonly purpose?: string }): readonly StoredFile[];
  read(client: string, id: string): NodeJS.ReadableStream;
  /** Throws `not_found`, or `invalid_request` with status 409 while a batch reads it. */
  remove(client: string, id: string): Promise<void>;
  /** Deletes files whose time has come and batches read no more; returns them. */
  expire(): Promise<readonly StoredFile[]>;
}

/** Bytes that have arrived and lie on the disk. */
export type WrittenUpload = { readonly id: string; readonly bytes: number };

/** What files are kept with. */
export type FilesParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly table: BatchTable;
  readonly shelf: FileShelf;
  readonly policy: () => Policy;
};

/** Clients' files on the shelf, with their rows in the database. */
export function createFiles({ clock, emit, table, shelf, policy }: FilesParts): Files {
  const find = (client: string, id: string): StoredFile => {
    const file = table.file(id);
    if (file?.client === client) return file;
    throw new GatewayError('not_found', `no such file: ${id.slice(0, 80)}`, { param: 'id' });
  };
  // The row goes first: bytes without a row are swept away at the next start, a row without bytes would be a lie.
  const drop = async (id: string): Promise<void> => {
    table.deleteFile(id);
    await shelf.remove(id);
  };
  return {
    write: async (pieces) => {
      const id = `file-${clock.randomHex(12)}`;
      return { id, bytes: await shelf.write(id, pieces, policy().batch.fileBytesMax) };
    },
    add: ({ client, filename, purpose, lifeMs }, { id, bytes }) => {
      const createdMs = clock.nowMs();
      const expiresMs = createdMs + (lifeMs ?? policy().batch.keepFilesMs);
      const file = { id, client, filename, purpose, bytes, createdMs, expiresMs };
      table.addFile(file);
      return file;
    },
    discard: ({ id }) => shelf.remove(id),
    find,
    list: (client, page) => {
      if (page.after !== undefined) find(client, page.after);
      return table.files(client, page);
    },
    read: (client, id) => shelf.read(find(client, id).id),
    remove: async (client, id) => {
      const file = find(client, id);
      const readers = table.readersOf(file.id);
      if (readers.length > 0) {
        throw new GatewayError('invalid_request', `${id} is read by ${readers.join(', ')}: cancel it first`, {
          status: 409,
          shouldRetry: false,
        });
      }
      await drop(file.id);
    },
    expire: async () => {
      const expired: StoredFile[] = [];
      for (const file of table.expiredFiles(clock.nowMs())) {
        const { id, filename } = file;
        // Asked just before: a batch may have been made of it while others were deleted.
        if (table.readersOf(id).length > 0) continue;
        await drop(id);
        expired.push(file);
        emit({
          kind: 'gateway.notice',
          level: 'info',
          message: `file ${id} (${filename}) has expired and was deleted`,
        });
      }
      return expired;
    },
  };
}
