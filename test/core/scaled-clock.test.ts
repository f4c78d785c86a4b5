import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scaledClock } from '../../src/core/scaled-clock.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

describe('scaledClock', () => {
  it('both its times pass `speed` times as fast, from the same start', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(100_000), (speed, passedMs) => {
        const base = fakeClock();
        const [wall, monotonic] = [base.nowMs(), base.monotonicMs()];
        const clock = scaledClock(base, speed);
        base.advance(passedMs);
        expect(clock.nowMs()).toBe(wall + passedMs * speed);
        expect(clock.monotonicMs()).toBe(monotonic + passedMs * speed);
      }),
    );
  });

  it('a timer runs when its own time has passed, and can be cancelled', () => {
    const base = fakeClock();
    const clock = scaledClock(base, 50);
    const ran: string[] = [];
    clock.after(5_000, () => ran.push('kept'));
    clock.after(5_000, () => ran.push('cancelled'))();
    base.advance(99);
    expect(ran).toEqual([]);
    base.advance(1);
    expect(ran).toEqual(['kept']);
  });

  it('a sleep ends when its own time has passed, or by its signal', async () => {
    const base = fakeClock();
    const clock = scaledClock(base, 10);
    const slept = clock.sleep(1_000);
    base.advance(100);
    await slept;
    const abort = new AbortController();
    const woken = clock.sleep(1_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(woken).rejects.toThrow('enough');
  });

  it('a speed of zero is refused', () => {
    expect(() => scaledClock(fakeClock(), 0)).toThrow(RangeError);
  });
});
