/**
 * A duration for people, in ASCII: `0 ms`, `250 ms`, `1.5 s`, `45 s`, `121 s`, `5 min 30 s`, `2 h 5 min`, `1 d 3 h`.
 * Seconds are kept up to 300 s because latency targets are written in seconds and `121 s > 45 s` compares at a glance;
 * from there on minutes. Under 10 s one decimal. `unknown` for NaN, `never` for Infinity.
 */
export function formatDurationMs(durationMs: number): string {
  if (Number.isNaN(durationMs)) return 'unknown';
  if (durationMs < 0) return `-${formatDurationMs(-durationMs)}`;
  if (durationMs === Number.POSITIVE_INFINITY) return 'never';
  if (durationMs < 999.5) return `${trimmed(durationMs, durationMs < 9.95 ? 1 : 0)} ms`;
  if (durationMs < 9_950) return `${trimmed(durationMs / 1000, 1)} s`;
  if (durationMs <= 300_000) return `${Math.round(durationMs / 1000)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3600) return pair(seconds, 60, 'min', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'min');
  return pair(Math.round(minutes / 60), 24, 'd', 'h');
}

/**
 * A size for people in powers of 1000, as files and memory are sold: `0 B`, `999 B`, `1.50 KB`, `256 MB`, `5.38 GB`.
 * Three significant digits. `unknown` for NaN.
 */
export function formatBytes(bytes: number): string {
  if (Number.isNaN(bytes)) return 'unknown';
  if (bytes < 0) return `-${formatBytes(-bytes)}`;
  if (bytes < 999.5) return `${Math.round(bytes)} B`;
  const units = ['KB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${threeDigits(value)} ${units[unit]}`;
}

/** A share as a percentage without decimals: 0.834 → `83 %`. */
export const formatShare = (share: number): string => `${Math.round(share * 100)} %`;

/** A rate in tokens per second with three significant digits: 2.48 → `2.48 tok/s`. */
export const formatTokensPerSec = (rate: number): string => `${threeDigits(rate)} tok/s`;

/** Wall-clock time as `2026-11-20 22:00 UTC`, for messages that must not depend on the reader's locale. */
export const formatTimeUtc = (timeMs: number): string =>
  `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** CPU numbers as the shortest list that a policy or `taskset` reads back: `[0, 1, 2, 3, 6]` → `0-3,6`. Input sorted, no repeats. */
export function formatCpuList(cpus: readonly number[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const cpu of cpus) {
    const open = ranges.at(-1);
    if (open !== undefined && open.last === cpu - 1) open.last = cpu;
    else ranges.push({ first: cpu, last: cpu });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function threeDigits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function trimmed(value: number, decimals: number): string {
  return String(Number(value.toFixed(decimals)));
}

function pair(smaller: number, perLarger: number, largerName: string, smallerName: string): string {
  const larger = Math.floor(smaller / perLarger);
  const rest = smaller % perLarger;
  return rest === 0 ? `${larger} ${largerName}` : `${larger} ${largerName} ${rest} ${smallerName}`;
}
