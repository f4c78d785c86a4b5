import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError, messageOf } from '../core/errors.ts';
import { identifyProcess, isRunning, type ProcessIdentity, parseIdentity } from './process-identity.ts';

/** The right to use a data directory. */
export type DataLock = { readonly release: () => void };

/**
 * Locks a data directory for this process, creating it where needed. The lock is a file with the owner's pid and start
 * time, so one left by a crash is recognised and taken over. Throws `data_directory_locked` while its owner lives.
 *
 * How two processes that find the same stale lock do not both take it: a lock appears only by `link`, which succeeds
 * for one. A stale one is replaced by whoever first links a marker that is named after the dead owner; with the marker
 * in hand the lock is read once more, for the marker of a take-over long finished may just have been removed. A taker
 * that died holding the marker is a dead owner like any other, and gets a marker named after itself.
 */
export async function acquireDataLock(dataDir: string): Promise<DataLock> {
  const file = join(dataDir, 'sluice.lock');
  const own = identifyProcess(process.pid);
  if (own === undefined) {
    throw new GatewayError(
      'data_directory_locked',
      `/proc/${process.pid}/stat cannot be read, so ${file} cannot be made`,
    );
  }
  const draft = `${file}.${own.pid}-${own.startTicks}.new`;
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(draft, JSON.stringify(own));
  } catch (cause) {
    const hint = 'use a folder this user may write to (--data DIR)';
    throw new GatewayError('store_failed', `${dataDir} cannot be written: ${messageOf(cause)}; ${hint}`, { cause });
  }
  try {
    while (!claim(file, draft)) {
      // Each round another process made progress: it took the lock over, or gave it back.
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return { release: () => releaseLock(file, own) };
}

/** One try: true when the lock is ours, false when the ground moved and it must be looked at again. */
function claim(file: string, draft: string): boolean {
  if (tryLink(draft, file)) return true;
  const owner = readOwner(file);
  if (owner === 'none') return false;
  if (owner !== 'unreadable' && isRunning(owner)) throw locked(file, owner);
  return takeOver(file, draft, owner);
}

function takeOver(file: string, draft: string, stale: Owner): boolean {
  const markers: string[] = [];
  let dead = stale;
  for (;;) {
    const marker = `${file}.after-${nameOf(dead)}`;
    markers.push(marker);
    if (tryLink(draft, marker)) break;
    const taker = readOwner(marker);
    if (taker === 'none') return false;
    if (taker !== 'unreadable' && isRunning(taker)) throw locked(file, taker);
    dead = taker;
  }
  const unchanged = nameOf(readOwner(file)) === nameOf(stale);
  if (unchanged) {
    // A second name for the same file, because renaming one hard link onto another does nothing at all.
    const fresh = `${draft}.lock`;
    writeFileSync(fresh, readFileSync(draft));
    renameSync(fresh, file);
  }
  for (const marker of markers) rmSync(marker, { force: true });
  return unchanged;
}

type Owner = ProcessIdentity | 'unreadable' | 'none';

function readOwner(file: string): Owner {
  try {
    return parseIdentity(JSON.parse(readFileSync(file, 'utf8'))) ?? 'unreadable';
  } catch (error) {
    // Half a file cannot come from us (it is linked when complete), so nobody stands behind it.
    return isCode(error, 'ENOENT') ? 'none' : 'unreadable';
  }
}

const nameOf = (owner: Owner): string => (typeof owner === 'string' ? owner : `${owner.pid}-${owner.startTicks}`);

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function releaseLock(file: string, own: ProcessIdentity): void {
  if (nameOf(readOwner(file)) === nameOf(own)) rmSync(file, { force: true });
}

function locked(file: string, owner: ProcessIdentity): GatewayError {
  return new GatewayError(
    'data_directory_locked',
    `another Sluice (process ${owner.pid}) uses this data directory, it holds ${file}; stop it (kill ${owner.pid}) or give this one its own with --data DIR`,
  );
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code;
