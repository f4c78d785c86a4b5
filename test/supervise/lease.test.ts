import { describe, expect, it } from 'vitest';
import { FadingCount, USES_FADE_MS } from '../../src/core/fading-count.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Child } from '../../src/supervise/child.ts';
import { idleLimitOf, takeLease } from '../../src/supervise/lease.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

describe('idleLimitOf', () => {
  it.each([
    { ubatch: 64, rate: undefined, limitMs: 15_000, why: 'no rate is known' },
    { ubatch: 64, rate: 0, limitMs: 15_000, why: 'the rate says nothing' },
    { ubatch: 64, rate: 512, limitMs: 15_000, why: 'two micro-batches take less' },
    { ubatch: 64, rate: 2, limitMs: 66_000, why: 'two micro-batches take more' },
    { ubatch: undefined, rate: 32, limitMs: 34_000, why: "the engine's own size holds" },
  ])('is $limitMs ms where $why', ({ ubatch, rate, limitMs }) => {
    expect(idleLimitOf(ubatch, rate)).toBe(limitMs);
  });
});

describe('a lease given back after an abort', () => {
  it('stops a child that is still at work after its limit, and not before', async () => {
    const clock = fakeClock();
    const drained: string[] = [];
    const { released } = abandon(clock, 66_000, drained);
    clock.advance(65_999);
    await Promise.resolve();
    expect(drained).toEqual([]);
    clock.advance(1);
    await released;
    expect(drained).toEqual(['it did not stop an abandoned generation: nothing came within 66 s']);
  });
});

/** A child whose engine never says that it is idle, and a lease of it that has been given back. */
function abandon(clock: ReturnType<typeof fakeClock>, limitMs: number, drained: string[]) {
  const idle = (signal: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const child = {
    state: { kind: 'busy', running: 1 },
    incarnation: { alive: true, failedLeases: 0, connection: { idle } },
    occupy: () => undefined,
    vacate: () => undefined,
    drain: async (why: string) => void drained.push(why),
    // A lease uses no more of a child than this.
  } as unknown as Child;
  const lender = {
    ...{ id: modelId('slow'), child, idleLimitMs: () => limitMs, uses: new FadingCount(USES_FADE_MS) },
    ...{ spec: undefined, waiters: [], giveUpPause: undefined },
  };
  return { released: takeLease(lender, clock, { cold: false, loadMs: 0 }).release('aborted') };
}
