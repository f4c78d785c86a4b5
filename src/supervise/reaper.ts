import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import { identifyProcess, isRunning, type ProcessIdentity, parseIdentity } from './process-identity.ts';
import { signalGroup } from './spawn-child.ts';

/**
 * The children of this data directory, on disk. The parent-death signal kills them with us on most systems; where it
 * does not exist, or was lost, the next start finds the list and kills what is still the same process.
 */
export interface Reaper {
  /** Kills what an earlier gateway left behind; returns how many groups it killed. */
  reapLeftovers(): number;
  /** Writes a child down; to be called as soon as its pid is known and before it is used. */
  record(pid: number): void;
  forget(pid: number): void;
}

/** Keeps the list in a file of the data directory, whose lock the caller holds. */
export function createReaper(dataDir: string, emit: EmitEvent, fileName = 'children.json'): Reaper {
  const file = join(dataDir, fileName);
  const children = new Map<number, ProcessIdentity>();
  const save = () => {
    try {
      mkdirSync(dataDir, { recursive: true });
      // Renamed into place, so that a kill in the middle leaves the old list and not half of one.
      writeFileSync(`${file}.new`, JSON.stringify([...children.values()]));
      renameSync(`${file}.new`, file);
    } catch (error) {
      const message = `${file} could not be written (${messageOf(error)}); children are still killed with us where setpriv exists`;
      emit({ kind: 'gateway.notice', level: 'warn', message });
    }
  };
  return {
    reapLeftovers: () => {
      const leftovers = readList(file).filter(isRunning);
      for (const child of leftovers) {
        const message = `killing process ${child.pid}, a child an earlier gateway left behind`;
        emit({ kind: 'gateway.notice', level: 'warn', message });
        signalGroup(child.pid, 'SIGKILL');
      }
      rmSync(file, { force: true });
      return leftovers.length;
    },
    record: (pid) => {
      const identity = identifyProcess(pid);
      if (identity === undefined) return;
      children.set(pid, identity);
      save();
    },
    forget: (pid) => {
      if (children.delete(pid)) save();
    },
  };
}

function readList(file: string): readonly ProcessIdentity[] {
  try {
    const list: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(list) ? list.map(parseIdentity).filter((child) => child !== undefined) : [];
  } catch {
    // No list is the ordinary case; a broken one cannot be acted upon.
    return [];
  }
}
