import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { feedIntervalMs, openServiceManager } from '../../src/transport/service-manager.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { bindNotifySocket } from '../helpers/notify-socket.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

describe('openServiceManager', () => {
  it.each([
    ['a path', () => join(temporaryFolder(), 'notify')],
    ['an abstract name', () => `@sluice-test-${process.pid}`],
  ])('tells a socket at %s what the service does, and feeds the watchdog at half its time', async (_, make) => {
    const path = make();
    const next = await bindNotifySocket(path);
    const clock = fakeClock();
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000000', WATCHDOG_PID: String(process.pid) };
    const manager = await openServiceManager({ environment, clock, onFailure: (message) => expect.fail(message) });
    expect(environment).toEqual({});
    manager?.ready('listening on\nhttp://127.0.0.1:8080');
    expect(await next()).toBe('READY=1\nSTATUS=listening on http://127.0.0.1:8080');
    expect(await next()).toBe('WATCHDOG=1');
    clock.advance(10_000);
    expect(await next()).toBe('WATCHDOG=1');
    manager?.status('3 models');
    expect(await next()).toBe('STATUS=3 models');
    manager?.stopping();
    expect(await next()).toMatch(/^STOPPING=1\n/);
    manager?.close();
  });

  it('is undefined where nobody listens, and says why where a socket cannot be told', async () => {
    const clock = fakeClock();
    const failures: string[] = [];
    const onFailure = (message: string) => failures.push(message);
    expect(await openServiceManager({ environment: {}, clock, onFailure })).toBeUndefined();
    expect(await openServiceManager({ environment: { NOTIFY_SOCKET: 'x' }, clock, onFailure })).toBeUndefined();
    const manager = await openServiceManager({ environment: { NOTIFY_SOCKET: '/nowhere/s' }, clock, onFailure });
    manager?.ready('up');
    manager?.status('still up');
    manager?.close();
    expect(failures).toEqual([
      expect.stringContaining('neither an absolute path'),
      expect.stringMatching(/does not take messages: errno \d+/),
    ]);
  });
});

describe('feedIntervalMs', () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '9' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
  ])('of %j is %s', (environment, expected) => {
    expect(feedIntervalMs(environment, 7, 8)).toBe(expected);
  });
});
