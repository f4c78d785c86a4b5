import { execa } from 'execa';
import { findProgram } from '../transport/find-program.ts';

const BLOCK_BYTES = 4 * 2 ** 20;
const BLOCKS = 16;
/** Fewer bytes say more of the first access than of the speed. */
const BYTES_MIN = 2 * BLOCK_BYTES;
const LIMIT_MS = 60_000;

/**
 * Bytes per second of the first 64 MiB of a file, read past the page cache (O_DIRECT), so that nothing in memory makes
 * it look faster and nothing is dropped for it. Undefined where the file system cannot do that or the file is small.
 */
export async function readSpeed(file: string, nowMs: () => number): Promise<number | undefined> {
  const program = findProgram('dd');
  if (program === undefined) return undefined;
  const args = [`if=${file}`, 'of=/dev/null', `bs=${BLOCK_BYTES}`, `count=${BLOCKS}`, 'iflag=direct'];
  const startedMs = nowMs();
  const read = await execa(program, args, { reject: false, stdin: 'ignore', timeout: LIMIT_MS, env: { LC_ALL: 'C' } });
  const tookMs = nowMs() - startedMs;
  const bytes = Number(/^(\d+) bytes/m.exec(read.stderr)?.[1]);
  return read.failed || !(bytes >= BYTES_MIN) || tookMs <= 0 ? undefined : (bytes * 1000) / tookMs;
}
