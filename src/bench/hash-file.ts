import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Store } from '../store/open-store.ts';

/**
 * SHA-256 of a whole file as hex, remembered by path, size and time so that a large model is read once. Runs after a
 * model's measurements: reading it before would put the file into the page cache and make the first load look fast.
 * Rejects with the signal's reason on abort, with the file system's error when the file cannot be read.
 */
export async function hashFile(path: string, store: Pick<Store, 'fileHash' | 'saveFileHash'>, signal: AbortSignal) {
  const { size, mtimeMs } = await stat(path);
  const state = { path, sizeBytes: size, mtimeMs };
  const known = store.fileHash(state);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk);
  const sha256 = hash.digest('hex');
  store.saveFileHash(state, sha256);
  return sha256;
}
