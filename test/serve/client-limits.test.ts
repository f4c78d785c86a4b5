import { describe, expect, it } from 'vitest';
import type { ClientPolicy } from '../../src/core/policy.ts';
import { createClientLimits } from '../../src/serve/client-limits.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const client = (given: Partial<ClientPolicy>): ClientPolicy => ({
  name: 'bot',
  keyEnv: 'KEY',
  class: undefined,
  requestsPerMinute: undefined,
  maxTokens: undefined,
  concurrent: undefined,
  ...given,
});
const full = expect.objectContaining({ code: 'queue_full' });

describe('createClientLimits', () => {
  it('lets anonymous callers and clients without limits pass', () => {
    const limits = createClientLimits(fakeClock());
    for (let count = 0; count < 1000; count += 1) {
      limits.enter(undefined)();
      limits.enter(client({}));
    }
  });

  it('allows so many at a time and one more when one has left', () => {
    const limits = createClientLimits(fakeClock());
    const bot = client({ concurrent: 2 });
    const leave = limits.enter(bot);
    limits.enter(bot);
    expect(() => limits.enter(bot)).toThrow(full);
    leave();
    limits.enter(bot);
    expect(() => limits.enter(bot)).toThrow('2 requests running; its limit is 2');
  });

  it("allows a minute's worth at once and then one after another", () => {
    const clock = fakeClock();
    const limits = createClientLimits(clock);
    const bot = client({ requestsPerMinute: 30 });
    for (let count = 0; count < 30; count += 1) limits.enter(bot)();
    expect(() => limits.enter(bot)).toThrow(
      expect.objectContaining({ code: 'queue_full', details: { retryAfterMs: 2000, shouldRetry: true } }),
    );
    clock.advance(1999);
    expect(() => limits.enter(bot)).toThrow(full);
    clock.advance(1);
    limits.enter(bot);
    expect(() => limits.enter(bot)).toThrow(full);
  });

  it('does not save up more than a minute', () => {
    const clock = fakeClock();
    const limits = createClientLimits(clock);
    const bot = client({ requestsPerMinute: 2 });
    limits.enter(bot);
    clock.advance(3_600_000);
    limits.enter(bot);
    limits.enter(bot);
    expect(() => limits.enter(bot)).toThrow(full);
  });

  it('counts each client for itself', () => {
    const limits = createClientLimits(fakeClock());
    limits.enter(client({ concurrent: 1 }));
    limits.enter(client({ name: 'editor', concurrent: 1 }));
    expect(() => limits.enter(client({ name: 'editor', concurrent: 1 }))).toThrow('client editor');
  });

  it('does not spend the rate on a request it refuses for being one too many at a time', () => {
    const limits = createClientLimits(fakeClock());
    const bot = client({ concurrent: 1, requestsPerMinute: 2 });
    const leave = limits.enter(bot);
    for (let count = 0; count < 5; count += 1) expect(() => limits.enter(bot)).toThrow(full);
    leave();
    limits.enter(bot);
  });
});
