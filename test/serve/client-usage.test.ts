import { describe, expect, it } from 'vitest';
import type { RequestRecord } from '../../src/core/events.ts';
import { noUsage, type UsageRow } from '../../src/core/usage.ts';
import { createClientUsage } from '../../src/serve/client-usage.ts';
import { createLocalDays } from '../../src/serve/local-day.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type FakeClock, fakeClock } from '../helpers/fake-clock.ts';

const finished = (given: object): RequestRecord =>
  ({ client: 'bot', actual: {}, outcome: { kind: 'ok' }, ...given }) as RequestRecord;

function usageOn(clock: FakeClock, saved: () => readonly UsageRow[] = () => []) {
  const rows: UsageRow[] = [];
  const lost: string[] = [];
  const usage = createClientUsage({
    clock,
    timezone: () => 'Europe/Berlin',
    save: (saving) => rows.push(...saving),
    saved,
    onLost: (message) => lost.push(message),
  });
  return { usage, rows, lost };
}

describe('createLocalDays', () => {
  const HOUR = 3_600_000;

  it.each([
    ['an ordinary day', 'Europe/Berlin', '2026-11-20T12:00:00Z', '2026-11-20', '2026-11-20T23:00:00Z'],
    ['the day that is an hour shorter', 'Europe/Berlin', '2026-03-29T00:30:00Z', '2026-03-29', '2026-03-29T22:00:00Z'],
    ['the day that is an hour longer', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25', '2026-10-25T23:00:00Z'],
    // The clock goes from 23:59 to 01:00 there: the day begins at one.
    ['a day without a midnight', 'Africa/Cairo', '2026-04-23T12:00:00Z', '2026-04-23', '2026-04-23T22:00:00Z'],
    ['another half hour', 'Asia/Kolkata', '2026-11-20T18:29:59Z', '2026-11-20', '2026-11-20T18:30:00Z'],
  ])('knows when %s ends', (_, timezone, now, name, end) => {
    const day = createLocalDays(timezone)(Date.parse(now));
    expect([day.name, new Date(day.endsAtMs).toISOString()]).toEqual([name, end.replace('Z', '.000Z')]);
  });

  it('tells the same from kept values as from fresh ones, also when the clock is set back', () => {
    const kept = createLocalDays('Europe/Berlin');
    const start = Date.UTC(2026, 9, 24);
    const asked = [0, 5, 30, 23, 47, 1, 48, 60, 12];
    for (const hours of asked) {
      const nowMs = start + hours * HOUR;
      expect(kept(nowMs)).toMatchObject({ name: createLocalDays('Europe/Berlin')(nowMs).name });
    }
  });
});

describe('usage of a client', () => {
  it('counts what came, what was turned away and what was used', () => {
    const { usage } = usageOn(fakeClock());
    usage.entered('bot');
    usage.entered('bot');
    usage.turnedAway('bot');
    usage.finished(finished({ actual: { promptTokens: 30, cachedTokens: 10, outputTokens: 5 } }));
    usage.finished(finished({ outcome: { kind: 'failed' } }));
    usage.finished(finished({ outcome: { kind: 'refused' } }));
    expect(usage.all()).toEqual([
      {
        day: '2026-11-20',
        client: 'bot',
        requests: 2,
        refused: 2,
        failed: 1,
        promptTokens: 30,
        cachedTokens: 10,
        outputTokens: 5,
      },
    ]);
    expect(usage.today('nobody')).toEqual(noUsage('2026-11-20', 'nobody'));
  });

  it('is saved soon after it changed, and what is left when it is closed', () => {
    const clock = fakeClock();
    const { usage, rows } = usageOn(clock);
    usage.entered('bot');
    usage.entered('bot');
    expect(rows).toEqual([]);
    clock.advance(500);
    expect(rows).toMatchObject([{ client: 'bot', requests: 2 }]);
    clock.advance(10_000);
    expect(rows).toHaveLength(1);
    usage.entered('bot');
    usage.close();
    expect(rows.at(-1)).toMatchObject({ client: 'bot', requests: 3 });
    expect(clock.timers()).toBe(0);
  });

  it('begins anew at midnight, and keeps what was of the day before', () => {
    const clock = fakeClock(Date.UTC(2026, 10, 20, 22, 59, 59, 900));
    const { usage, rows } = usageOn(clock);
    usage.entered('bot');
    clock.advance(200);
    usage.entered('bot');
    usage.close();
    expect(rows.map(({ day, requests }) => [day, requests])).toEqual([
      ['2026-11-20', 1],
      ['2026-11-21', 1],
    ]);
  });

  it('goes on after a restart with what the store has', () => {
    const clock = fakeClock();
    const store = openStore(':memory:', { clock });
    const open = () =>
      createClientUsage({
        clock,
        timezone: () => 'Europe/Berlin',
        save: store.recordUsage,
        saved: store.usageSince,
        onLost: () => undefined,
      });
    const first = open();
    first.entered('bot');
    first.finished(finished({ actual: { promptTokens: 7 } }));
    first.close();
    store.flush();
    const second = open();
    expect(second.today('bot')).toMatchObject({ requests: 1, promptTokens: 7 });
    second.entered('bot');
    second.entered('editor');
    second.close();
    store.flush();
    expect(store.usageSince('2026-11-20').map(({ client, requests }) => [client, requests])).toEqual([
      ['bot', 2],
      ['editor', 1],
    ]);
    expect(store.usageSince('2026-11-21')).toEqual([]);
    store.close();
  });

  it('counts from zero and says so where what was saved cannot be read', () => {
    const { usage, lost } = usageOn(fakeClock(), () => {
      throw new Error('no such table');
    });
    usage.entered('bot');
    expect(usage.today('bot').requests).toBe(1);
    expect(lost).toEqual([expect.stringContaining('no such table')]);
  });
});
