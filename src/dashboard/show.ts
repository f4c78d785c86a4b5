import { formatBytes, formatDurationMs } from '../core/format.ts';

/** What stands where nothing is known. */
export const NONE = '–';

/** A duration for people; a dash where there is none. */
export const showMs = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? NONE : formatDurationMs(ms);

/** A size for people; a dash where there is none. */
export const showBytes = (bytes: number | null | undefined): string =>
  bytes === null || bytes === undefined ? NONE : formatBytes(bytes);

/** A whole number, thousands apart; a dash where there is none. */
export const showCount = (count: number | null | undefined): string =>
  count === null || count === undefined ? NONE : Math.round(count).toLocaleString('en-GB').replaceAll(',', '\u202f');

/** Time of day in the reader's zone; with the date where it is another day. */
export function showTime(at: string | number | null | undefined): string {
  if (at === null || at === undefined) return NONE;
  const time = new Date(at);
  const clock = time.toLocaleTimeString('en-GB');
  return time.toDateString() === new Date().toDateString() ? clock : `${time.toLocaleDateString('en-CA')} ${clock}`;
}
