import { existsSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import { enlargeStacks } from './abi/open-library.ts';

/*
 * One NPU for all programs of a machine. `npu-mutex.ts` keeps the models of one gateway apart, in their order; this
 * keeps a second gateway, or `scripts/board-day` beside a running one, away from a load or a run under way. It is taken
 * in the worker by flock(2): whatever kills the worker, the kernel gives it back, and no file has to be judged stale.
 */

/** The NPU among programs. */
export interface NpuLock {
  /**
   * Takes it, waiting while another program has it; at once where it is held already. Resolves with false where the
   * waiter gave up. Rejects where the system cannot lock at all.
   */
  take(waiter: LockWaiter): Promise<boolean>;
  /** Gives it back; does nothing where it is not held. */
  release(): void;
}

/** Whoever waits for the NPU. */
export type LockWaiter = {
  /** True: no longer wanted. */
  readonly isOver: () => boolean;
  /** Called about once a second while another program has it. */
  readonly onWait: () => void;
};

/** Where programs meet: `/run/lock` where there is one, which every user may write to, else the temporary folder. */
export const npuLockFile = (): string => join(existsSync('/run/lock') ? '/run/lock' : tmpdir(), 'sluice-npu.lock');

// <sys/file.h> of Linux, the same on every machine.
const LOCK_EXCLUSIVE = 2;
const LOCK_AT_ONCE = 4;
const UNLOCK = 8;
/** EWOULDBLOCK: another program has it. */
const HELD_BY_ANOTHER = 11;

/** How soon a free NPU is noticed, ms: little beside a prefill, and next to no work. */
const LOOK_AGAIN_MS = 10;
const LOOKS_PER_SIGN = 100;

/** Opens the lock of a file, which is made where it is not there. Throws where it can be neither opened nor made. */
export function openNpuLock(file: string, clock: Clock): NpuLock {
  // The first library to be opened may be this one.
  enlargeStacks();
  const flock = koffi.load('libc.so.6').func('int flock(int descriptor, int operation)');
  const descriptor = openShared(file);
  let isHeld = false;
  const tryOnce = (): boolean => {
    if (flock(descriptor, LOCK_EXCLUSIVE | LOCK_AT_ONCE) === 0) return true;
    const code = koffi.errno();
    if (code === HELD_BY_ANOTHER) return false;
    throw new GatewayError('runtime_failed', `flock of ${file} failed with errno ${code}`);
  };
  return {
    take: async ({ isOver, onWait }) => {
      for (let looks = 0; !isHeld; looks += 1) {
        if (isOver()) return false;
        isHeld = tryOnce();
        if (isHeld) break;
        if (looks % LOOKS_PER_SIGN === 0) onWait();
        await clock.sleep(LOOK_AGAIN_MS);
      }
      return true;
    },
    release: () => {
      if (isHeld) flock(descriptor, UNLOCK);
      isHeld = false;
    },
  };
}

/**
 * For reading where it is there: that is enough for a lock, works for another user's file, and the kernel refuses to
 * create one of another user's in a folder that everybody may write to (fs.protected_regular).
 */
function openShared(file: string): number {
  try {
    return openSync(file, 'r');
  } catch {
    return openSync(file, 'a', 0o644);
  }
}

/** A lock where the system gives one, else one that is always free: better two programs at once than none. */
export function openNpuLockOrNone(file: string | undefined, clock: Clock, warn: (why: string) => void): NpuLock {
  const none: NpuLock = { take: async () => true, release: () => undefined };
  if (file === undefined) return none;
  try {
    return openNpuLock(file, clock);
  } catch (error) {
    warn(`the NPU cannot be locked against other programs: ${messageOf(error)}`);
    return none;
  }
}
