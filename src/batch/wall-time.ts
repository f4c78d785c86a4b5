import { offsetMsAt } from '../policy/window.ts';
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

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i;
const DAY_MS = 86_400_000;

/**
 * The instant of a date with a time such as `2026-11-22T07:00+01:00`, ms since 1970; undefined for a text that is none.
 * Without an offset it is what the zone's wall clock shows: of a time that comes twice the first one, and one that
 * daylight saving skips is as much later as the clock jumps.
 */
export function dateTimeMs(text: string, timezone: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second = '00', offset] = match;
  const wall = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const asUtcMs = Date.parse(`${wall}Z`);
  // The 31st of November is a date to Date.parse in some engines and none in others.
  if (Number.isNaN(asUtcMs) || new Date(asUtcMs).getUTCDate() !== Number(day)) return undefined;
  if (offset !== undefined) return Date.parse(`${wall}${offset.toUpperCase()}`) || undefined;
  const beforeMs = asUtcMs - offsetMsAt(timezone, asUtcMs - DAY_MS);
  const afterMs = asUtcMs - offsetMsAt(timezone, asUtcMs + DAY_MS);
  const shown = [beforeMs, afterMs].filter((timeMs) => timeMs + offsetMsAt(timezone, timeMs) === asUtcMs);
  return shown.length === 0 ? beforeMs : Math.min(...shown);
}
