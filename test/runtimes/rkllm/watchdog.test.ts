import { describe, expect, it } from 'vitest';
import { createWatchdog } from '../../../runtimes/rkllm/watchdog.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

function watched(limitMs: number) {
  const clock = fakeClock();
  const silences: number[] = [];
  const watchdog = createWatchdog(clock, limitMs, (limit) => silences.push(limit));
  return { clock, watchdog, silences };
}

describe('createWatchdog', () => {
  it('barks once, after the limit', async () => {
    const { clock, silences } = watched(100);
    await clock.advance(99);
    expect(silences).toEqual([]);
    await clock.advance(500);
    expect(silences).toEqual([100]);
  });

  it('counts anew from what it heard, an eighth of the limit late at most', async () => {
    const { clock, watchdog, silences } = watched(100);
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(90);
      watchdog.heard(100);
    }
    expect(silences).toEqual([]);
    await clock.advance(99);
    expect(silences).toEqual([]);
    await clock.advance(14);
    expect(silences).toEqual([100]);
  });

  it('costs no look at the clock and no timer to be heard by', () => {
    const clock = fakeClock();
    let looks = 0;
    const monotonicMs = () => {
      looks += 1;
      return clock.monotonicMs();
    };
    const counted = { ...clock, monotonicMs };
    const watchdog = createWatchdog(counted, 100, () => undefined);
    const [looksBefore, timersBefore] = [looks, clock.timers()];
    for (let piece = 0; piece < 1000; piece += 1) watchdog.heard(100);
    expect([looks, clock.timers()]).toEqual([looksBefore, timersBefore]);
    watchdog.stop();
    expect(clock.timers()).toBe(0);
  });

  it('takes a shorter limit at once', async () => {
    const { clock, watchdog, silences } = watched(10_000);
    watchdog.heard(50);
    await clock.advance(50);
    expect(silences).toEqual([50]);
  });

  it('is quiet once stopped', async () => {
    const { clock, watchdog, silences } = watched(100);
    watchdog.stop();
    await clock.advance(1000);
    expect(silences).toEqual([]);
  });
});
