import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Window } from '../../src/core/policy.ts';
import { parseWindowMinutes } from '../../src/policy/units.ts';
import { isTimeZone, windowState } from '../../src/policy/window.ts';

const MINUTE_MS = 60_000;
const windowOf = (text: string, timezone: string): Window => ({ ...parseWindowMinutes(text), timezone, text });

// The definition, with nothing clever: what the zone's wall clock shows, minute by minute.
function isOpenByClock(window: Window, timeMs: number): boolean {
  if (window.startMinute === window.endMinute) return true;
  const shown = new Intl.DateTimeFormat('en-GB', {
    timeZone: window.timezone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(timeMs);
  const minute = Number(shown.slice(0, 2)) * 60 + Number(shown.slice(3, 5));
  return window.startMinute < window.endMinute
    ? minute >= window.startMinute && minute < window.endMinute
    : minute >= window.startMinute || minute < window.endMinute;
}

describe('windowState', () => {
  it('is open from the start on and closed from the end on', () => {
    const window = windowOf('22:00-07:00', 'UTC');
    const at = (text: string) => windowState(window, Date.parse(`2026-11-20T${text}Z`));
    expect(at('21:59:59.999')).toEqual({ open: false, opensInMs: 1, closesInMs: 0 });
    expect(at('22:00:00')).toEqual({ open: true, opensInMs: 0, closesInMs: 9 * 60 * MINUTE_MS });
    expect(at('06:59:59.999')).toEqual({ open: true, opensInMs: 0, closesInMs: 1 });
    expect(at('07:00:00')).toEqual({ open: false, opensInMs: 15 * 60 * MINUTE_MS, closesInMs: 0 });
  });

  it('is always open when start and end are equal', () => {
    const state = windowState(windowOf('08:00-08:00', 'Europe/Berlin'), Date.UTC(2026, 0, 1));
    expect(state).toEqual({ open: true, opensInMs: 0, closesInMs: Number.POSITIVE_INFINITY });
  });

  it('is an hour shorter in the night that daylight saving skips one, and longer when it repeats one', () => {
    const window = windowOf('22:00-07:00', 'Europe/Berlin');
    expect(windowState(window, Date.parse('2026-03-28T22:00+01:00')).closesInMs).toBe(8 * 60 * MINUTE_MS);
    expect(windowState(window, Date.parse('2026-10-24T22:00+02:00')).closesInMs).toBe(10 * 60 * MINUTE_MS);
  });

  it('does not open on the day that skips it', () => {
    const window = windowOf('02:10-02:50', 'Europe/Berlin');
    const state = windowState(window, Date.parse('2026-03-29T00:30+01:00'));
    expect(state.open).toBe(false);
    expect(new Date(Date.parse('2026-03-29T00:30+01:00') + state.opensInMs).toISOString()).toBe(
      '2026-03-30T00:10:00.000Z',
    );
  });

  it('opens twice on the day that repeats it', () => {
    const window = windowOf('02:10-02:50', 'Europe/Berlin');
    expect(windowState(window, Date.parse('2026-10-25T02:20+02:00')).closesInMs).toBe(30 * MINUTE_MS);
    expect(windowState(window, Date.parse('2026-10-25T02:50+02:00')).opensInMs).toBe(20 * MINUTE_MS);
    expect(windowState(window, Date.parse('2026-10-25T02:20+01:00')).open).toBe(true);
  });

  it('does not depend on the order in which it is asked', () => {
    const window = windowOf('22:00-07:00', 'UTC');
    const later = windowState(window, Date.parse('2026-11-20T23:00Z'));
    expect(windowState(window, Date.parse('2026-11-20T12:00Z')).open).toBe(false);
    expect(windowState(window, Date.parse('2026-11-20T23:00Z'))).toEqual(later);
  });

  // Days with and without a change of the offset: an hour in Berlin and New York, half an hour on Lord Howe, at
  // midnight in Santiago; Kolkata has a half-hour offset and no changes.
  const days: readonly (readonly [string, string])[] = [
    ['Europe/Berlin', '2026-03-28T12:00Z'],
    ['Europe/Berlin', '2026-10-24T12:00Z'],
    ['Europe/Berlin', '2026-06-01T12:00Z'],
    ['America/New_York', '2026-03-07T20:00Z'],
    ['America/New_York', '2026-10-31T20:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T06:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T06:00Z'],
    ['America/Santiago', '2026-09-05T18:00Z'],
    ['America/Santiago', '2026-04-04T18:00Z'],
    ['Asia/Kolkata', '2026-11-20T00:00Z'],
  ];

  it('agrees with the wall clock, minute by minute, around every change of the offset', () => {
    const minuteOfDay = fc.integer({ min: 0, max: 1439 });
    fc.assert(
      fc.property(
        fc.constantFrom(...days),
        minuteOfDay,
        fc.oneof(minuteOfDay, fc.integer({ min: 1, max: 90 })),
        fc.integer({ min: 0, max: 24 * 60 * MINUTE_MS }),
        ([timezone, noon], startMinute, other, afterMs) => {
          const endMinute = other <= 90 ? (startMinute + other) % 1440 : other;
          const window: Window = { startMinute, endMinute, timezone, text: '' };
          const nowMs = Date.parse(noon) + afterMs;
          const state = windowState(window, nowMs);
          expect(state.open).toBe(isOpenByClock(window, nowMs));
          const untilMs = state.open ? state.closesInMs : state.opensInMs;
          if (untilMs === Number.POSITIVE_INFINITY) return;
          expect(untilMs).toBeGreaterThan(0);
          expect(isOpenByClock(window, nowMs + untilMs)).toBe(!state.open);
          expect(isOpenByClock(window, nowMs + untilMs - 1)).toBe(state.open);
          for (let passedMs = 0; passedMs < untilMs; passedMs += 10 * MINUTE_MS) {
            expect(isOpenByClock(window, nowMs + passedMs)).toBe(state.open);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('costs less than 5 µs when asked every ten seconds', () => {
    const window = windowOf('22:00-07:00', 'Europe/Berlin');
    const calls = 20_000;
    const start = performance.now();
    let open = 0;
    for (let call = 0; call < calls; call += 1) open += windowState(window, 1.8e12 + call * 10_000).open ? 1 : 0;
    const perCallMicros = ((performance.now() - start) * 1000) / calls;
    expect(open).toBeGreaterThan(0);
    expect(perCallMicros).toBeLessThan(5);
  });
});

describe('isTimeZone', () => {
  it.each([
    ['Europe/Berlin', true],
    ['UTC', true],
    ['Europe/Berlim', false],
    ['', false],
  ])('%j → %s', (name, known) => {
    expect(isTimeZone(name)).toBe(known);
  });
});
