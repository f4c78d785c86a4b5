import { describe, expect, it } from 'vitest';
import { pausableClock } from '../../../runtimes/simulated/pausable-clock.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const base = fakeClock();
  let goOn: () => void = () => undefined;
  const clock = pausableClock(base, (listener) => {
    goOn = listener;
  });
  /** Time in which the process runs. */
  const run = async (durationMs: number) => {
    for (let ms = 0; ms < durationMs; ms += 1) {
      base.advance(1);
      await turn();
    }
  };
  /** Time in which it stands still: what is due comes at its end, before the signal is heard. */
  const stand = async (durationMs: number) => {
    base.advance(durationMs);
    goOn();
    await turn();
  };
  return { base, clock, run, stand };
}

describe('pausableClock', () => {
  it('leaves out the time in which its process stood still, to half a look', async () => {
    const { clock, run, stand } = setUp();
    let fired = 0;
    clock.after(100, () => {
      fired += 1;
    });
    const startMs = clock.monotonicMs();
    await run(50);
    await stand(1000);
    expect(Math.abs(clock.monotonicMs() - startMs - 50)).toBeLessThanOrEqual(5);
    await run(40);
    expect(fired).toBe(0);
    await run(20);
    expect(fired).toBe(1);
  });

  it('counts what a busy machine takes, which sends no signal', async () => {
    const { base, clock } = setUp();
    let fired = 0;
    clock.after(100, () => {
      fired += 1;
    });
    base.advance(1000);
    await turn();
    expect([fired, clock.monotonicMs()]).toEqual([1, 1000]);
  });

  it('does not run what was cancelled, and looks at the time no longer than somebody waits', async () => {
    const { base, clock, run } = setUp();
    const cancel = clock.after(100, () => expect.unreachable());
    await run(20);
    cancel();
    cancel();
    await run(200);
    expect(base.timers()).toBe(0);
  });

  it('does not mistake a signal without a wait for a pause', async () => {
    const { clock, run, stand } = setUp();
    await run(20);
    await stand(500);
    expect(clock.monotonicMs()).toBe(520);
  });
});
