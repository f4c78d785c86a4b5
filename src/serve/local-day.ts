/** One calendar day in a time zone. */
export type LocalDay = {
  /** `2026-11-21` */
  readonly name: string;
  /** Wall clock at which the next day begins, ms since 1970. */
  readonly endsAtMs: number;
};

/** Longer than any day, daylight saving included; a day that is skipped whole (a change of the date line) does not matter. */
const BEYOND_MS = 26 * 3_600_000;

/** Tells the day at an instant; asking again on the same day costs a comparison. Made for one time zone. */
export function createLocalDays(timezone: string): (nowMs: number) => LocalDay {
  // Canadian dates are written as in ISO 8601.
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
  let known: LocalDay & { readonly fromMs: number } = { name: '', fromMs: 0, endsAtMs: 0 };
  return (nowMs) => {
    if (nowMs < known.fromMs || nowMs >= known.endsAtMs) {
      const name = format.format(nowMs);
      known = { name, fromMs: nowMs, endsAtMs: endOf(name, nowMs, format) };
    }
    return known;
  };
}

/** First ms of which the date is another one, by bisection: exact whatever daylight saving does at midnight. */
function endOf(name: string, nowMs: number, format: Intl.DateTimeFormat): number {
  let sameMs = Math.floor(nowMs);
  let otherMs = sameMs + BEYOND_MS;
  while (otherMs - sameMs > 1) {
    const middleMs = Math.floor((sameMs + otherMs) / 2);
    if (format.format(middleMs) === name) sameMs = middleMs;
    else otherMs = middleMs;
  }
  return otherMs;
}
