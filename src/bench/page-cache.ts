import { findProgram } from '../transport/find-program.ts';

/**
 * The kernel's cache of a file's pages, which decides whether a load reads memory or storage. A structural type, so that
 * tests can say what is cached.
 */
export interface PageCache {
  /** Share of the file's pages in memory, 0..1; undefined where nothing can tell. */
  residentShare(file: string): Promise<number | undefined>;
  /** Asks the kernel to forget the file's pages; true only when it is then seen to have. A mapped file keeps them. */
  drop(file: string): Promise<boolean>;
  /** Bytes per second of the first 64 MiB, read from storage; undefined where the pages could not be dropped. */
  readBytesPerSec(file: string, nowMs: () => number): Promise<number | undefined>;
}

/** Below this share after a drop the file counts as gone from the cache. */
const DROPPED_SHARE = 0.02;
/** Above this share a load counts as one from the page cache. */
export const CACHED_SHARE = 0.9;
const READ_BYTES = 64 * 2 ** 20;
const PROGRAM_LIMIT_MS = 120_000;

/**
 * The real one. `dd iflag=nocache count=0` calls posix_fadvise(POSIX_FADV_DONTNEED) on the whole file, for which reading
 * rights are enough; writing to /proc/sys/vm/drop_caches would need root and forget every file of the machine.
 * `fincore` (util-linux) counts the pages. Where one of them is missing nothing is dropped and nothing is claimed.
 */
export const systemPageCache: PageCache = {
  residentShare,
  drop,
  readBytesPerSec: async (file, nowMs) => {
    const program = findProgram('dd');
    if (program === undefined || !(await drop(file))) return undefined;
    const startedMs = nowMs();
    const read = await run(program, [`if=${file}`, 'of=/dev/null', 'bs=1M', `count=${READ_BYTES / 2 ** 20}`]);
    const tookMs = nowMs() - startedMs;
    const bytes = Number(/^(\d+) bytes/m.exec(read.stderr)?.[1]);
    return read.failed || !(bytes > 0) || tookMs <= 0 ? undefined : (bytes * 1000) / tookMs;
  },
};

async function residentShare(file: string): Promise<number | undefined> {
  const program = findProgram('fincore');
  if (program === undefined) return undefined;
  const counted = await run(program, ['-b', '-n', '-o', 'RES,SIZE', file]);
  const [resident, size] = counted.stdout.trim().split(/\s+/).map(Number);
  if (counted.failed || resident === undefined || size === undefined || !(size > 0)) return undefined;
  return Math.min(1, resident / size);
}

async function drop(file: string): Promise<boolean> {
  const program = findProgram('dd');
  if (program === undefined) return false;
  const asked = await run(program, [`if=${file}`, 'of=/dev/null', 'iflag=nocache', 'count=0']);
  const share = asked.failed ? undefined : await residentShare(file);
  return share !== undefined && share <= DROPPED_SHARE;
}

async function run(program: string, args: readonly string[]) {
  // A gateway knows this module for what it says of a load, and never runs a program by it.
  const { execa } = await import('execa');
  return execa(program, args, { reject: false, stdin: 'ignore', timeout: PROGRAM_LIMIT_MS, env: { LC_ALL: 'C' } });
}
