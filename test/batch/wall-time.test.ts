import { describe, expect, it } from 'vitest';
import { dateTimeMs, nextWallTime } from '../../src/batch/wall-time.ts';

const BERLIN = 'Europe/Berlin';
const at = (iso: string) => Date.parse(iso);
const next = (text: string, nowIso: string, zone = BERLIN) => {
  const ms = nextWallTime(text, zone, at(nowIso));
  return ms === undefined ? undefined : new Date(ms).toISOString();
};
const instant = (text: string, zone = BERLIN) => {
  const ms = dateTimeMs(text, zone);
  return ms === undefined ? undefined : new Date(ms).toISOString();
};

describe('the next time of day', () => {
  it.each([
    ['is today’s where it is still to come', '07:00', '2026-11-21T02:00:00Z', '2026-11-21T06:00:00.000Z'],
    ['is tomorrow’s where it has passed', '07:00', '2026-11-21T07:00:00Z', '2026-11-22T06:00:00.000Z'],
    ['is tomorrow’s at that very minute', '07:00', '2026-11-21T06:00:00Z', '2026-11-22T06:00:00.000Z'],
    ['may be midnight', '00:00', '2026-11-21T12:00:00Z', '2026-11-21T23:00:00.000Z'],
    ['may be the last minute of a day', '23:59', '2026-11-21T12:00:00Z', '2026-11-21T22:59:00.000Z'],
    [
      'is an hour later by UTC once the clocks have gone back',
      '07:00',
      '2026-10-24T20:00:00Z',
      '2026-10-25T06:00:00.000Z',
    ],
    ['is an hour earlier once they have gone forward', '07:00', '2027-03-27T20:00:00Z', '2027-03-28T05:00:00.000Z'],
    ['is the day after’s where daylight saving skips it', '02:30', '2027-03-27T20:00:00Z', '2027-03-29T00:30:00.000Z'],
    ['is the first of two', '02:30', '2026-10-24T20:00:00Z', '2026-10-25T00:30:00.000Z'],
  ])('%s', (_, text, now, expected) => {
    expect(next(text, now)).toBe(expected);
  });

  it.each(['7:00', '24:00', '07:60', '07:00:00', ' 07:00', '', 'noon'])('is not %j', (text) => {
    expect(next(text, '2026-11-21T12:00:00Z')).toBeUndefined();
  });
});

describe('a date with a time', () => {
  it.each([
    ['with an offset', '2026-11-22T07:00+01:00', '2026-11-22T06:00:00.000Z'],
    ['in UTC', '2026-11-22T07:00:30Z', '2026-11-22T07:00:30.000Z'],
    ['as an SDK writes it', '2026-11-22T07:00:30.123456Z', '2026-11-22T07:00:30.000Z'],
    ['of the zone in winter', '2026-11-22T07:00', '2026-11-22T06:00:00.000Z'],
    ['of the zone in summer, with a space', '2026-07-22 07:00', '2026-07-22T05:00:00.000Z'],
    ['that comes twice is the first one', '2026-10-25T02:30', '2026-10-25T00:30:00.000Z'],
    ['that is skipped is as much later as the clock jumps', '2027-03-28T02:30', '2027-03-28T01:30:00.000Z'],
    ['right after the change', '2027-03-28T03:00', '2027-03-28T01:00:00.000Z'],
  ])('%s', (_, text, expected) => {
    expect(instant(text)).toBe(expected);
  });

  it('is another instant in another zone', () => {
    expect(instant('2026-11-22T07:00', 'America/New_York')).toBe('2026-11-22T12:00:00.000Z');
  });

  it.each([
    '2026-11-22',
    '2026-11-31T07:00',
    '2026-13-01T07:00',
    '2026-11-22T25:00',
    '22.11.2026 07:00',
    '7',
    'tomorrow',
  ])('is not %j', (text) => {
    expect(instant(text)).toBeUndefined();
  });
});
