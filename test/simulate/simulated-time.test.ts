import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSimulatedTime } from '../../src/simulate/simulated-time.ts';

describe('createSimulatedTime', () => {
  it('runs events by time, equal times in the order they were set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), async (delays) => {
        const time = createSimulatedTime(1_000);
        const seen: { readonly delay: number; readonly index: number; readonly atMs: number }[] = [];
        delays.forEach((delay, index) => {
          time.after(delay, () => seen.push({ delay, index, atMs: time.nowMs() }));
        });
        await time.run();
        const expected = delays
          .map((delay, index) => ({ delay, index, atMs: 1_000 + delay }))
          .sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(seen).toEqual(expected);
      }),
    );
  });

  it('runs what an event sets, and nothing that was cancelled', async () => {
    const time = createSimulatedTime(0);
    const seen: string[] = [];
    const cancel = time.after(5, () => seen.push('cancelled'));
    time.after(1, () => {
      seen.push('first');
      cancel();
      time.after(10, () => seen.push('last'));
    });
    await time.run();
    expect(seen).toEqual(['first', 'last']);
    expect(time.monotonicMs()).toBe(11);
  });

  it('lets a kept promise run before the next event', async () => {
    const time = createSimulatedTime(0);
    const seen: string[] = [];
    let keep = () => {};
    const chain = new Promise<void>((resolve) => {
      keep = resolve;
    })
      .then(() => undefined)
      .then(() => seen.push('promise'));
    time.after(1, () => {
      keep();
      time.settle();
    });
    time.after(1, () => seen.push('event'));
    await time.run();
    await chain;
    expect(seen).toEqual(['promise', 'event']);
  });

  it('sleeps in its own time and wakes by the signal', async () => {
    const time = createSimulatedTime(0);
    const controller = new AbortController();
    const slept = time.sleep(1_000).then(() => time.monotonicMs());
    const woken = time.sleep(5_000, controller.signal).catch((error: Error) => error.message);
    time.after(10, () => controller.abort(new Error('up')));
    time.settle();
    await time.run();
    expect(await slept).toBe(1_000);
    expect(await woken).toBe('up');
  });
});
