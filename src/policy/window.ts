/**
 * Daily windows in a time zone. A window is open at an instant when the zone's wall clock stands between its start
 * (included) and its end (excluded). That one sentence settles daylight saving: an hour that is skipped is never
 * open, an hour that comes twice is open twice.
 *
 *   wall minute  ──────┐start      end┌──────   wraps at midnight when end < start
 *                closed └──── open ───┘ closed
 *
 * The next change is either a crossing of start or end at the present UTC offset, or a change of the offset itself
 * before that; the latter is found by bisection. The result holds until then, so it is kept per window and the usual
 * call is one comparison: Intl costs microseconds, and this runs for every request.
 */
import type { Window } from '../core/policy.ts';

/** Whether a window is open, and how long until that changes. */
export type WindowState = {
  readonly open: boolean;
  /** 0 while open. */
  readonly opensInMs: number;
  /** 0 while closed; Infinity for a window that covers the whole day. */
  readonly closesInMs: number;
};

type Span = { readonly open: boolean; readonly fromMs: number; readonly untilMs: number };

const DAY_MS = 86_400_000;
const spans = new WeakMap<Window, Span>();
const formatters = new Map<string, Intl.DateTimeFormat>();

/** State of a window at `nowMs` (ms since 1970), exact over midnight and daylight saving. */
export function windowState(window: Window, nowMs: number): WindowState {
  let span = spans.get(window);
  if (span === undefined || nowMs < span.fromMs || nowMs >= span.untilMs) {
    span = spanAt(window, nowMs);
    spans.set(window, span);
  }
  return span.open
    ? { open: true, opensInMs: 0, closesInMs: span.untilMs - nowMs }
    : { open: false, opensInMs: span.untilMs - nowMs, closesInMs: 0 };
}

/** True for a name that this Node's Intl knows as a time zone, e.g. `Europe/Berlin`, `UTC`. */
export function isTimeZone(name: string): boolean {
  try {
    formatterOf(name);
    return true;
  } catch {
    // Intl answers an unknown zone with a RangeError; there is no other way to ask.
    return false;
  }
}

function spanAt(window: Window, nowMs: number): Span {
  if (window.startMinute === window.endMinute) {
    return { open: true, fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };
  }
  const open = isOpen(window, wallMsOfDay(nowMs, offsetMsAt(window.timezone, nowMs)));
  let fromMs = nowMs;
  // A window shorter than the hour that daylight saving skips may stay closed for a day: two rounds per day are
  // the most there can be, and eight are four days.
  for (let round = 0; round < 8; round += 1) {
    const offsetMs = offsetMsAt(window.timezone, fromMs);
    const crossingMs = fromMs + untilCrossing(window, wallMsOfDay(fromMs, offsetMs), open);
    const changeMs = offsetChange(window.timezone, { fromMs, toMs: crossingMs, offsetMs });
    if (changeMs === undefined) return { open, fromMs: nowMs, untilMs: crossingMs };
    const openAfter = isOpen(window, wallMsOfDay(changeMs, offsetMsAt(window.timezone, changeMs)));
    if (openAfter !== open) return { open, fromMs: nowMs, untilMs: changeMs };
    fromMs = changeMs;
  }
  return { open, fromMs: nowMs, untilMs: fromMs };
}

function isOpen(window: Window, wallMs: number): boolean {
  const startMs = window.startMinute * 60_000;
  const endMs = window.endMinute * 60_000;
  return startMs < endMs ? wallMs >= startMs && wallMs < endMs : wallMs >= startMs || wallMs < endMs;
}

function untilCrossing(window: Window, wallMs: number, open: boolean): number {
  const targetMs = (open ? window.endMinute : window.startMinute) * 60_000;
  return targetMs > wallMs ? targetMs - wallMs : targetMs - wallMs + DAY_MS;
}

function wallMsOfDay(timeMs: number, offsetMs: number): number {
  return (((timeMs + offsetMs) % DAY_MS) + DAY_MS) % DAY_MS;
}

/** First instant in (from, to] with another offset, or undefined. No zone changes its offset twice within a day. */
function offsetChange(
  timezone: string,
  span: { readonly fromMs: number; readonly toMs: number; readonly offsetMs: number },
): number | undefined {
  if (offsetMsAt(timezone, span.toMs) === span.offsetMs) return undefined;
  let sameMs = Math.floor(span.fromMs);
  let changedMs = Math.ceil(span.toMs);
  while (changedMs - sameMs > 1) {
    const middleMs = Math.floor((sameMs + changedMs) / 2);
    if (offsetMsAt(timezone, middleMs) === span.offsetMs) sameMs = middleMs;
    else changedMs = middleMs;
  }
  return changedMs;
}

/** Wall clock minus UTC at an instant, ms. */
function offsetMsAt(timezone: string, timeMs: number): number {
  const wholeSecondMs = Math.floor(timeMs / 1000) * 1000;
  const fields: Record<string, number> = {};
  for (const { type, value } of formatterOf(timezone).formatToParts(wholeSecondMs)) fields[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeSecondMs;
}

function formatterOf(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone);
  if (known !== undefined) return known;
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    calendar: 'iso8601',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(timezone, formatter);
  return formatter;
}
