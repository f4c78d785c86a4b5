/**
 * Daily windows in a time zone. A window is open at an instant when the zone's wall clock stands between its start
 * (included) and its end (excluded). That one sentence settles daylight saving: an hour that is skipped is never
 * open, an hour that comes twice is open twice.
 *
 *   wall minute  ──────┐start      end┌──────   wraps at midnight when end < start
 *                closed └──── open ───┘ closed
 *
 * With days of the week, the day that counts is the one on which the window began.
 *
 * The next change is either at a crossing of start, end or (with days) midnight at the present UTC offset, or at a change
 * of the offset itself before that; the latter is found by bisection. The result holds until then, so the last ones are kept per
 * window and the usual call is a comparison or two: Intl costs microseconds, and this runs for every request.
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
/** As many as lie between a batch and its deadline of a day or two. */
const SPANS_KEPT = 6;
const spans = new WeakMap<Window, Span[]>();
const formatters = new Map<string, Intl.DateTimeFormat>();

/** State of a window at `nowMs` (ms since 1970), exact over midnight and daylight saving. */
export function windowState(window: Window, nowMs: number): WindowState {
  const kept = spans.get(window) ?? [];
  let span = kept.find(({ fromMs, untilMs }) => nowMs >= fromMs && nowMs < untilMs);
  if (span === undefined) {
    span = spanAt(window, nowMs);
    spans.set(window, [span, ...kept.slice(0, SPANS_KEPT - 1)]);
  }
  return span.open
    ? { open: true, opensInMs: 0, closesInMs: span.untilMs - nowMs }
    : { open: false, opensInMs: span.untilMs - nowMs, closesInMs: 0 };
}

/** True for a name that this Node's Intl knows as a time zone, e.g. `Europe/Berlin`, `UTC`. */
export function isTimeZone(name: string): boolean {
  if (name === 'UTC') return true;
  try {
    formatterOf(name);
    return true;
  } catch {
    // Intl answers an unknown zone with a RangeError; there is no other way to ask.
    return false;
  }
}

// A window on one day of the week crosses start, end and midnight 24 times in 8 days, and a week in which daylight saving
// skips it makes that 15 days.
const ROUNDS_MAX = 48;

function spanAt(window: Window, nowMs: number): Span {
  if (window.startMinute === window.endMinute && window.days === undefined) {
    return { open: true, fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };
  }
  const open = isOpen(window, nowMs + offsetMsAt(window.timezone, nowMs));
  let fromMs = nowMs;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const offsetMs = offsetMsAt(window.timezone, fromMs);
    const crossingMs = fromMs + untilCrossing(window, wallMsOfDay(fromMs + offsetMs));
    const changeMs = offsetChange(window.timezone, { fromMs, toMs: crossingMs, offsetMs }) ?? crossingMs;
    if (isOpen(window, changeMs + offsetMsAt(window.timezone, changeMs)) !== open) {
      return { open, fromMs: nowMs, untilMs: changeMs };
    }
    fromMs = changeMs;
  }
  return { open, fromMs: nowMs, untilMs: fromMs };
}

// `localMs` counts the zone's wall clock since 1970 as if it were UTC.
function isOpen({ startMinute, endMinute, days }: Window, localMs: number): boolean {
  const wallMs = wallMsOfDay(localMs);
  const began = (daysAgo: number) => days === undefined || days.includes(weekdayOf(localMs - daysAgo * DAY_MS));
  const startMs = startMinute * 60_000;
  const endMs = endMinute * 60_000;
  if (startMs < endMs) return wallMs >= startMs && wallMs < endMs && began(0);
  return (wallMs >= startMs && began(0)) || (wallMs < endMs && began(1));
}

// 1970 began on a Thursday.
const weekdayOf = (localMs: number): number => (((Math.floor(localMs / DAY_MS) + 4) % 7) + 7) % 7;

function untilCrossing({ startMinute, endMinute, days }: Window, wallMs: number): number {
  const minutes = days === undefined ? [startMinute, endMinute] : [startMinute, endMinute, 0];
  return Math.min(
    ...minutes.map((minute) => {
      const targetMs = minute * 60_000;
      return targetMs > wallMs ? targetMs - wallMs : targetMs - wallMs + DAY_MS;
    }),
  );
}

const wallMsOfDay = (localMs: number): number => ((localMs % DAY_MS) + DAY_MS) % DAY_MS;

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

/** Wall clock of a time zone minus UTC at an instant (ms since 1970), ms. Throws RangeError for an unknown zone. */
export function offsetMsAt(timezone: string, timeMs: number): number {
  // Nothing to be looked up, and the tables of all other zones need not be loaded.
  if (timezone === 'UTC') return 0;
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
