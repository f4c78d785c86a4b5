import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GenerationPlan, startGeneration } from '../../../runtimes/simulated/generation.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { scaledClock } from '../../../src/core/scaled-clock.ts';
import { decodeMsOf, prefillMsOf } from '../../../src/core/service-model.ts';
import { QUICK_SERVICE } from '../../helpers/board-stand-in.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

const plan = (given: Partial<GenerationPlan> = {}): GenerationPlan => ({
  service: { ...QUICK_SERVICE, prefillMsPerToken: 100, decodeMsPerToken: 400 },
  promptTokens: 10,
  cachedTokens: 0,
  outputTokens: 5,
  prefillFactor: 1,
  decodeFactor: 1,
  cancelTokens: 4,
  ...given,
});

/** Runs a plan on a clock that stands still between timers; notes what came when, in ms of the board. */
function watch(given: GenerationPlan, options: { speed?: number; streamed?: boolean } = {}) {
  const base = fakeClock();
  const { speed = 1, streamed = true } = options;
  const clock = speed === 1 ? base : scaledClock(base, speed);
  const seen: { atMs: number; tokens: number }[] = [];
  let endedMs: number | undefined;
  const listener = {
    tokens: (from: number, to: number) => seen.push({ atMs: clock.monotonicMs(), tokens: to - from }),
    end: () => {
      endedMs = clock.monotonicMs();
    },
  };
  const generation = startGeneration(given, listener, { clock, speed, streamed });
  return { base, generation, seen, ended: () => endedMs };
}

describe('startGeneration', () => {
  it('the first token comes after the prefill, the others a step apart, and the last one ends it', () => {
    const { base, seen, ended, generation } = watch(plan());
    base.advance(10_000);
    expect(seen).toEqual([1002, 1402, 1802, 2202, 2602].map((atMs) => ({ atMs, tokens: 1 })));
    expect(ended()).toBe(2602);
    expect(generation.timings()).toEqual({ prefillMs: 1002, decodeMs: 1600 });
  });

  it('takes prefill and decode of the service model with their factors, whatever the lengths and the speed', () => {
    const lengths = fc.record({
      promptTokens: fc.integer({ min: 1, max: 2000 }),
      outputTokens: fc.integer({ min: 1, max: 300 }),
      speed: fc.constantFrom(1, 10, 50, 200),
      prefillFactor: fc.double({ min: 0.5, max: 2, noNaN: true }),
      decodeFactor: fc.double({ min: 0.5, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(lengths, ({ promptTokens, outputTokens, speed, prefillFactor, decodeFactor }) => {
        const given = plan({ promptTokens, outputTokens, prefillFactor, decodeFactor });
        const { base, seen, ended } = watch(given, { speed });
        base.advance(10_000_000);
        const prefillMs = prefillMsOf(given.service, promptTokens) * prefillFactor;
        const wholeMs = prefillMs + decodeMsOf(given.service, promptTokens, outputTokens) * decodeFactor;
        expect(seen.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(outputTokens);
        // Half a millisecond of this machine early at most, and never late while nothing else needs the CPU.
        expect(seen[0]?.atMs).toBeLessThanOrEqual(prefillMs + 2 * speed + 1e-6);
        expect(ended()).toBeGreaterThanOrEqual(wholeMs - 0.5 * speed - 1e-6);
        expect(ended()).toBeLessThanOrEqual(wholeMs + 1e-6);
      }),
      { numRuns: 50 },
    );
  });

  it('tokens that come closer than timers can tell apart come together', () => {
    const { base, seen } = watch(plan({ outputTokens: 100 }), { speed: 1000 });
    base.advance(1_000);
    expect(seen.length).toBeLessThan(30);
    expect(seen.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(100);
  });

  it('without a reader of its tokens it wakes for the first one and for the end only', () => {
    const { base, seen, ended } = watch(plan({ outputTokens: 50 }), { streamed: false });
    base.advance(100_000);
    expect(seen).toHaveLength(2);
    expect(ended()).toBe(20_602);
  });

  it('a client that leaves in the prefill is noticed at the end of the micro-batch', () => {
    const { base, generation, seen, ended } = watch(plan({ promptTokens: 8 }));
    base.advance(300);
    let freedMs: number | undefined;
    generation.cancel(() => {
      freedMs = base.monotonicMs();
    });
    base.advance(10_000);
    expect(freedMs).toBe(401);
    expect([seen, ended()]).toEqual([[], undefined]);
  });

  it('a client that leaves in the decode is noticed within a step', () => {
    const { base, generation, seen, ended } = watch(plan());
    base.advance(1_500);
    let freedMs: number | undefined;
    generation.cancel(() => {
      freedMs = base.monotonicMs();
    });
    base.advance(10_000);
    expect(freedMs).toBe(1900);
    expect(seen).toHaveLength(2);
    expect(ended()).toBeUndefined();
  });

  it('on a real clock at fifty times the speed an answer takes its time to within three real ms', async () => {
    const speed = 50;
    const clock = scaledClock(systemClock, speed);
    const given = plan({ outputTokens: 40 });
    const lateMs: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const generation = await new Promise<ReturnType<typeof startGeneration>>((resolve) => {
        const started = startGeneration(
          given,
          { tokens: () => undefined, end: () => resolve(started) },
          { clock, speed, streamed: true },
        );
      });
      const { prefillMs, decodeMs } = generation.timings();
      lateMs.push((prefillMs + decodeMs - 1002 - 15_600) / speed);
    }
    // The median: a machine that others use as well stalls now and then.
    expect(Math.abs(lateMs.toSorted((a, b) => a - b)[4] ?? Number.NaN)).toBeLessThan(3);
  });
});
