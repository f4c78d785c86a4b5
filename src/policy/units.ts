/**
 * The units of the policy file, read once at the door. Everything after it counts in ms, bytes and CPU numbers.
 *
 *   duration  250ms  20s  1.5m  2h  1d
 *   size      256MB  24GB (powers of 1000, as memory and files are sold)  256MiB  1.5GiB (powers of 1024)
 *   CPU list  0-3,6
 *   window    22:00-07:00
 */

import { GatewayError } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';

const DURATION_UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const SIZE_UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Longest duration a policy may hold: above 2^31 - 1 ms (24.8 days) Node's timers fire at once. */
const DURATION_MS_MAX = 24 * 86_400_000;

/** Highest CPU number accepted, the kernel's own `CONFIG_NR_CPUS` ceiling on arm64 and x86-64. */
const CPU_MAX = 8191;

/** Regular expression source of a duration, for JSON Schema. */
export const DURATION_PATTERN = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$';
/** Regular expression source of a size, for JSON Schema. */
export const SIZE_PATTERN = '^\\d+(\\.\\d+)?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$';
/** Regular expression source of a CPU list, for JSON Schema. */
export const CPU_LIST_PATTERN = '^\\d+(-\\d+)?(,\\d+(-\\d+)?)*$';
/** Regular expression source of a window, for JSON Schema. */
export const WINDOW_PATTERN = '^([01]\\d|2[0-3]):[0-5]\\d-(([01]\\d|2[0-3]):[0-5]\\d|24:00)$';

const durationShape = new RegExp(DURATION_PATTERN);
const sizeShape = new RegExp(SIZE_PATTERN);
const cpuListShape = new RegExp(CPU_LIST_PATTERN);
const windowShape = new RegExp(WINDOW_PATTERN);

/**
 * Milliseconds of a text such as `250ms`, `20s`, `1.5m`, `2h`, `1d`. A unit is always needed.
 * Throws `invalid_config` for anything else and above 24 days (a timer cannot wait longer).
 */
export function parseDurationMs(text: string): number {
  const durationMs = scaled(text, durationShape, DURATION_UNIT_MS);
  if (durationMs === undefined) throw expected('a duration such as 250ms, 20s, 15m, 2h or 1d', text);
  if (durationMs > DURATION_MS_MAX) throw expected(`a duration of at most ${formatDurationMs(DURATION_MS_MAX)}`, text);
  return durationMs;
}

/**
 * Bytes of a text such as `2048MB`, `24GB` (powers of 1000) or `256MiB`, `24GiB` (powers of 1024), rounded to whole
 * bytes. A unit is always needed. Throws `invalid_config` for anything else.
 */
export function parseSizeBytes(text: string): number {
  const bytes = scaled(text, sizeShape, SIZE_UNIT_BYTES);
  if (bytes === undefined || bytes > Number.MAX_SAFE_INTEGER) {
    throw expected('a size such as 256MB, 24GB (powers of 1000) or 256MiB, 24GiB (powers of 1024)', text);
  }
  return Math.round(bytes);
}

/** CPU numbers of a list such as `0-3,6`, sorted and without repeats. Throws `invalid_config` for anything else. */
export function parseCpuList(text: string): readonly number[] {
  if (!cpuListShape.test(text)) throw expected('a list of CPUs such as 0-3,6', text);
  const cpus = new Set<number>();
  for (const part of text.split(',')) {
    const [first = 0, last = first] = part.split('-').map(Number);
    if (last < first) throw expected(`a list of CPUs with rising ranges (${part} falls)`, text);
    if (last > CPU_MAX) throw expected(`CPU numbers up to ${CPU_MAX}`, text);
    for (let cpu = first; cpu <= last; cpu += 1) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/**
 * Start and end of a daily window such as `22:00-07:00`, in minutes after midnight. `24:00` may stand at the end and
 * reads as 0; equal ends mean the whole day. Throws `invalid_config` for anything else.
 */
export function parseWindowMinutes(text: string): { readonly startMinute: number; readonly endMinute: number } {
  if (!windowShape.test(text)) throw expected('a daily window such as 22:00-07:00', text);
  return { startMinute: minuteOfDay(text.slice(0, 5)), endMinute: minuteOfDay(text.slice(6)) };
}

function scaled(text: string, shape: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = shape.exec(text);
  if (match === null) return undefined;
  const unit = /[A-Za-z]+$/.exec(text)?.[0] ?? '';
  return Number(text.slice(0, text.length - unit.length)) * (units[unit] ?? Number.NaN);
}

function minuteOfDay(text: string): number {
  return (Number(text.slice(0, 2)) * 60 + Number(text.slice(3))) % 1440;
}

function expected(what: string, text: string): GatewayError {
  return new GatewayError('invalid_config', `expected ${what}, got ${JSON.stringify(text)}`);
}
