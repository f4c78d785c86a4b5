import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { windowState } from '../../src/policy/window.ts';
import { afterOpenMs, openMsBetween, parseWindows, windowsState } from '../../src/policy/windows.ts';

const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe('parseWindows', () => {
  it.each([
    ['22:00-07:00', [{ startMinute: 1320, endMinute: 420, timezone: 'UTC' }]],
    ['22:00-07:00 Europe/Berlin', [{ timezone: 'Europe/Berlin' }]],
    ['Mon-Fri 22:00-07:00', [{ days: [1, 2, 3, 4, 5] }]],
    ['sat,SUN 00:00-24:00', [{ days: [0, 6], startMinute: 0, endMinute: 0 }]],
    ['Fri-Mon 01:00-02:00', [{ days: [0, 1, 5, 6] }]],
    ['22:00-07:00; Sat-Sun 00:00-24:00 Asia/Tokyo', [{ timezone: 'UTC' }, { days: [0, 6], timezone: 'Asia/Tokyo' }]],
  ])('reads %s', (text, windows) => {
    expect(parseWindows(text, 'UTC')).toMatchObject(windows);
  });

  it.each([
    ['', 'window'],
    ['tonight', 'window'],
    ['25:00-07:00', 'window'],
    ['Mon 22:00', 'window'],
    ['Mon Tue 22:00-07:00', 'window'],
    ['Mo 22:00-07:00', 'days'],
    ['Mon-Tue-Wed 22:00-07:00', 'days'],
    ['22:00-07:00 Berlin', 'time zone'],
    ['22:00-07:00 UTC please', 'window'],
    ['22:00-07:00;', 'window'],
  ])('refuses "%s" and says what is wrong: %s', (text, what) => {
    expect(() => parseWindows(text, 'UTC')).toThrow(what);
  });
});

describe('a window on some days', () => {
  const [friday] = parseWindows('Fri 22:00-07:00', 'Europe/Berlin');
  it.each([
    ['2026-11-20T21:59+01:00', false],
    ['2026-11-20T22:00+01:00', true],
    ['2026-11-21T06:59+01:00', true],
    ['2026-11-21T07:00+01:00', false],
    ['2026-11-21T22:30+01:00', false],
    ['2026-11-20T03:00+01:00', false],
  ])('counts the day on which it began: %s', (time, open) => {
    expect(friday && windowState(friday, at(time)).open).toBe(open);
  });

  it('opens again a week later', () => {
    expect(friday && windowState(friday, at('2026-11-21T07:00+01:00')).opensInMs).toBe((6 * 24 + 15) * HOUR_MS);
  });

  it('agrees with the wall clock at any time of any year', () => {
    const windows = ['Mon-Fri 22:00-07:00', 'Sun 01:30-03:30', 'Sat,Sun 00:00-24:00', 'Wed 08:00-08:00'];
    const names = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
    const shown = (timeMs: number) => {
      const parts = new Intl.DateTimeFormat('en-GB', {
        ...{ timeZone: 'Europe/Berlin', weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
      } as const).formatToParts(timeMs);
      const value = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
      return { day: names.indexOf(value('weekday')), minute: Number(value('hour')) * 60 + Number(value('minute')) };
    };
    const isOpen = (timeMs: number, days: readonly number[], start: number, end: number) => {
      const { day, minute } = shown(timeMs);
      if (start < end) return minute >= start && minute < end && days.includes(day);
      return (minute >= start && days.includes(day)) || (minute < end && days.includes((day + 6) % 7));
    };
    const span = { min: at('2025-01-01T00:00Z'), max: at('2028-01-01T00:00Z') };
    fc.assert(
      fc.property(fc.constantFrom(...windows), fc.integer(span), (text, timeMs) => {
        const [window] = parseWindows(text, 'Europe/Berlin');
        if (window === undefined) throw new Error(text);
        const { startMinute, endMinute, days = [] } = window;
        const state = windowState({ ...window }, timeMs);
        expect(state.open).toBe(isOpen(timeMs, days, startMinute, endMinute));
        const changeMs = timeMs + (state.open ? state.closesInMs : state.opensInMs);
        expect(isOpen(changeMs, days, startMinute, endMinute)).toBe(!state.open);
        expect(isOpen(changeMs - 1, days, startMinute, endMinute)).toBe(state.open);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

describe('several windows', () => {
  const windows = parseWindows('22:00-07:00; Sat 07:00-12:00; Sun 00:00-24:00', 'UTC');
  it('are one where they follow on one another', () => {
    expect(windowsState(windows, at('2026-11-20T22:00Z'))).toEqual({
      open: true,
      opensInMs: 0,
      closesInMs: 14 * HOUR_MS,
    });
    expect(windowsState(windows, at('2026-11-21T12:00Z'))).toEqual({
      open: false,
      opensInMs: 10 * HOUR_MS,
      closesInMs: 0,
    });
    expect(windowsState(windows, at('2026-11-21T22:00Z')).closesInMs).toBe(33 * HOUR_MS);
  });

  it('none at all is always open', () => {
    expect(windowsState([], 0)).toEqual({ open: true, opensInMs: 0, closesInMs: Number.POSITIVE_INFINITY });
  });

  it('have so much open time between two instants', () => {
    expect(openMsBetween(windows, at('2026-11-20T12:00Z'), at('2026-11-21T12:00Z'))).toBe(14 * HOUR_MS);
    expect(openMsBetween(windows, at('2026-11-20T12:00Z'), at('2026-11-20T13:00Z'))).toBe(0);
    expect(openMsBetween([], 0, 1234)).toBe(1234);
  });

  it('say when so much open time has passed', () => {
    expect(afterOpenMs(windows, at('2026-11-20T12:00Z'), 10 * HOUR_MS)).toBe(at('2026-11-21T08:00Z'));
    expect(afterOpenMs(windows, at('2026-11-20T12:00Z'), 15 * HOUR_MS)).toBe(at('2026-11-21T23:00Z'));
    expect(afterOpenMs([], 1000, 234)).toBe(1234);
  });

  it('keep the extra hour of the night in which clocks go back, and miss the one in which they go on', () => {
    const berlin = parseWindows('22:00-07:00', 'Europe/Berlin');
    expect(openMsBetween(berlin, at('2026-10-24T12:00+02:00'), at('2026-10-25T12:00+01:00'))).toBe(10 * HOUR_MS);
    expect(openMsBetween(berlin, at('2026-03-28T12:00+01:00'), at('2026-03-29T12:00+02:00'))).toBe(8 * HOUR_MS);
  });
});
