import { parseWindows, windowsState } from '../policy/windows.ts';

/**
 * The next instant at which a zone's wall clock shows a time of day such as `07:00`, ms since 1970; undefined for a text
 * that is none. A time that daylight saving skips is that of the day after.
 */
export function nextWallTime(text: string, timezone: string, nowMs: number): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null) return undefined;
  const next = (Number(match[1]) * 60 + Number(match[2]) + 1) % 1440;
  const end = `${String(Math.floor(next / 60)).padStart(2, '0')}:${String(next % 60).padStart(2, '0')}`;
  // A window of one minute that begins then: it opens at the time asked for.
  const [window] = parseWindows(`${text}-${end}`, timezone);
  if (window === undefined) return undefined;
  const state = windowsState([window], nowMs);
  if (!state.open) return nowMs + state.opensInMs;
  const closedMs = nowMs + state.closesInMs;
  return closedMs + windowsState([window], closedMs).opensInMs;
}
