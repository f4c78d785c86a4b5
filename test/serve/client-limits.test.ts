import { describe, expect, it } from 'vitest';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { RequestRecord } from '../../src/core/events.ts';
import { retryHeaders } from '../../src/http/error-status.ts';
import { createClientLimits, type Visit } from '../../src/serve/client-limits.ts';
import { createClientUsage } from '../../src/serve/client-usage.ts';
import { type FakeClock, fakeClock } from '../helpers/fake-clock.ts';

const client = (given: Partial<ClientPolicy>): ClientPolicy => ({
  name: 'bot',
  keyEnv: 'KEY',
  class: undefined,
  requestsPerMinute: undefined,
  maxTokens: undefined,
  concurrent: undefined,
  ...given,
});
const full = expect.objectContaining({ code: 'rate_limited' });

function limited(given: Partial<ClientPolicy>, clock: FakeClock = fakeClock()) {
  const usage = createClientUsage({
    clock,
    timezone: () => 'Europe/Berlin',
    save: () => undefined,
    saved: () => [],
    onLost: () => undefined,
  });
  const limits = createClientLimits(clock, usage);
  const bot = client(given);
  let count = 0;
  const enter = (visit: Partial<Visit> = {}) => {
    count += 1;
    return limits.enter(bot, { requestId: `r${count}`, tokens: 0, expectedMs: 0, ...visit });
  };
  const finish = (requestId: string, given: object) => {
    const record = { requestId, client: bot.name, actual: {}, outcome: { kind: 'ok' }, ...given };
    usage.finished(record as RequestRecord);
    limits.finished(record as RequestRecord);
  };
  return { clock, usage, limits, enter, finish };
}

/** The time a refused request is told to wait, ms. */
function refusedFor(enter: () => unknown): { readonly waitMs: number; readonly error: GatewayError } {
  try {
    enter();
  } catch (error) {
    if (error instanceof GatewayError && error.details.retryAfterMs !== undefined)
      return { waitMs: error.details.retryAfterMs, error };
    throw error;
  }
  throw new Error('it was let in');
}

describe('a client without limits', () => {
  it('passes, as does everybody without a key', () => {
    const { limits, enter } = limited({});
    for (let count = 0; count < 1000; count += 1) {
      limits.enter(undefined, { requestId: 'x', tokens: 1e9, expectedMs: 1e9 })();
      enter({ tokens: 1e9 });
    }
  });
});

describe('requests at a time', () => {
  it('may be so many, and one more when one has left', () => {
    const { enter, limits } = limited({ concurrent: 2 });
    const leave = enter();
    enter();
    expect(limits.running('bot')).toBe(2);
    expect(() => enter()).toThrow(full);
    leave();
    enter();
    expect(() => enter()).toThrow('2 requests running; its limit is 2');
  });

  it('are refused until the first of those running is expected to end', () => {
    const { enter, clock } = limited({ concurrent: 2 });
    enter({ expectedMs: 9_000 });
    enter({ expectedMs: 30_000 });
    expect(refusedFor(enter).waitMs).toBe(9_000);
    clock.advance(20_000);
    expect(refusedFor(enter).waitMs).toBe(1_000);
  });
});

describe('requests per minute', () => {
  it("may be a minute's worth at once and then one after another", () => {
    const { enter, clock } = limited({ requestsPerMinute: 30 });
    for (let count = 0; count < 30; count += 1) enter()();
    const { waitMs, error } = refusedFor(enter);
    expect(waitMs).toBe(2000);
    expect(retryHeaders(error)).toEqual({ 'retry-after': '2', 'retry-after-ms': '2000' });
    clock.advance(1999);
    expect(() => enter()).toThrow(full);
    clock.advance(1);
    enter();
    expect(() => enter()).toThrow(full);
  });

  it('are not saved up beyond a minute', () => {
    const { enter, clock } = limited({ requestsPerMinute: 2 });
    enter();
    clock.advance(3_600_000);
    enter();
    enter();
    expect(() => enter()).toThrow(full);
  });

  it('are not spent on a request that is refused for another reason', () => {
    const { enter } = limited({ concurrent: 1, requestsPerMinute: 2 });
    const leave = enter();
    for (let count = 0; count < 5; count += 1) expect(() => enter()).toThrow(full);
    leave();
    enter();
  });

  it.each([1, 3, 7, 29, 59, 61, 1000])('let a request in after exactly the time it was told, at %i', (limit) => {
    const { enter, clock } = limited({ requestsPerMinute: limit });
    for (let count = 0; count < limit; count += 1) enter()();
    for (let count = 0; count < 20; count += 1) {
      clock.advance(refusedFor(enter).waitMs);
      enter()();
    }
  });
});

describe('tokens per minute', () => {
  it('are reserved while a request runs and settled when it has ended', () => {
    const { enter, finish, clock } = limited({ tokensPerMinute: 6_000 });
    const leave = enter({ requestId: 'a', tokens: 5_000 });
    expect(refusedFor(() => enter({ tokens: 2_000 })).waitMs).toBe(10_000);
    finish('a', { actual: { promptTokens: 1_000, outputTokens: 200 } });
    leave();
    enter({ tokens: 4_800 })();
    clock.advance(1);
  });

  it('are given back where a request never ran', () => {
    const { enter } = limited({ tokensPerMinute: 6_000 });
    enter({ tokens: 6_000 })();
    enter({ tokens: 6_000 });
  });

  it('are owed where an answer was longer than expected', () => {
    const { enter, finish, clock } = limited({ tokensPerMinute: 6_000 });
    const leave = enter({ requestId: 'a', tokens: 100 });
    finish('a', { actual: { promptTokens: 100, outputTokens: 8_900 } });
    leave();
    const { waitMs } = refusedFor(() => enter({ tokens: 1_000 }));
    expect(waitMs).toBe(40_000);
    clock.advance(waitMs);
    enter({ tokens: 1_000 });
  });

  it('count the prompt of a request that was cancelled', () => {
    const { enter, finish } = limited({ tokensPerMinute: 1_000 });
    const leave = enter({ requestId: 'a', tokens: 900 });
    finish('a', { outcome: { kind: 'cancelled' }, predicted: { promptTokens: 600 } });
    leave();
    expect(refusedFor(() => enter({ tokens: 700 })).waitMs).toBe(18_000);
  });

  it('let a request in that wants more than a minute has, once the minute is whole', () => {
    const { enter, finish, clock } = limited({ tokensPerMinute: 100 });
    const leave = enter({ requestId: 'a', tokens: 50 });
    finish('a', { actual: { promptTokens: 50 } });
    leave();
    const { waitMs } = refusedFor(() => enter({ tokens: 500 }));
    clock.advance(waitMs);
    enter({ tokens: 500 });
  });
});

describe('the budget of a day', () => {
  it('is used up until midnight where the policy is, and SDKs do not wait for it', () => {
    // 23:59 in Berlin.
    const { enter, clock } = limited(
      { daily: { requests: 2, tokens: undefined } },
      fakeClock(Date.UTC(2026, 10, 20, 22, 30)),
    );
    enter();
    enter();
    const { waitMs, error } = refusedFor(enter);
    expect(waitMs).toBe(30 * 60_000);
    expect(error.message).toContain('used its 2 requests of today');
    expect(retryHeaders(error)['x-should-retry']).toBe('false');
    clock.advance(waitMs - 1);
    expect(() => enter()).toThrow(full);
    clock.advance(1);
    enter();
  });

  it('counts tokens, those of requests under way with what they are predicted to take', () => {
    const { enter, finish } = limited({ daily: { requests: undefined, tokens: 1_000 } });
    const leave = enter({ requestId: 'a', tokens: 1_000 });
    expect(() => enter()).toThrow('1000 tokens of today');
    finish('a', { actual: { promptTokens: 500, outputTokens: 100 } });
    leave();
    enter({ requestId: 'b', tokens: 300 });
    finish('b', { actual: { promptTokens: 300, outputTokens: 100 } });
    expect(() => enter()).toThrow(full);
  });

  it('gives the longest of several waits', () => {
    const { enter } = limited({ requestsPerMinute: 1, daily: { requests: 1, tokens: undefined } });
    enter();
    expect(refusedFor(enter).waitMs).toBe(11 * 3_600_000);
  });
});

it('counts each client for itself', () => {
  const { limits } = limited({});
  const visit = { requestId: 'x', tokens: 0, expectedMs: 0 };
  limits.enter(client({ concurrent: 1 }), visit);
  limits.enter(client({ name: 'editor', concurrent: 1 }), visit);
  expect(() => limits.enter(client({ name: 'editor', concurrent: 1 }), visit)).toThrow('client editor');
});
