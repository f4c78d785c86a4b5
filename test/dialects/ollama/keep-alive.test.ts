import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readKeepAlive } from '../../../src/dialects/ollama/keep-alive.ts';

const keep = (value: unknown) => readKeepAlive({ keep_alive: value });
const idle = (idleMs: number) => ({ kind: 'idle', idleMs });

describe('readKeepAlive', () => {
  it.each([
    [300, idle(300_000)],
    [0.5, idle(500)],
    ['5m', idle(300_000)],
    ['1h30m', idle(5_400_000)],
    ['1.5h', idle(5_400_000)],
    ['250ms', idle(250)],
    ['+2s', idle(2_000)],
    ['60', idle(60_000)],
    [0, { kind: 'never' }],
    ['0', { kind: 'never' }],
    ['0s', { kind: 'never' }],
    [-1, { kind: 'resident' }],
    ['-1', { kind: 'resident' }],
    ['-1m', { kind: 'resident' }],
    // Longer than a timer goes.
    ['24000h', { kind: 'resident' }],
    [undefined, undefined],
    [null, undefined],
  ])('reads %j', (value, expected) => {
    expect(keep(value)).toEqual(expected);
  });

  it.each(['', 'm', '5 m', '5d', '1h-30m', true, [], {}])('refuses %j, naming the field', (value) => {
    expect(() => keep(value)).toThrow(/^keep_alive must be a number of seconds or a duration such as "5m"/);
  });

  it('reads any duration in seconds as that number of seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000_000 }), (seconds) => {
        expect(keep(`${seconds}s`)).toEqual(keep(seconds));
        expect(keep(`${seconds}s`)).toEqual(idle(seconds * 1000));
      }),
    );
  });
});
