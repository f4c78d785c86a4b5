import { describe, expect, it } from 'vitest';
import type { Prediction } from '../../src/core/decision.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import { loadOf, type Priced, utilityOf } from '../../src/route/utility.ts';
import { laneEntry, laneView, NOW_MS, smallPolicy } from './small-policy.ts';

const { routing } = smallPolicy({ models: [] });

/** A run of 2 s prefill and 8 s median decode against a target of 40 s. */
const priced = (given: Partial<Omit<Priced, 'predicted'>> = {}, predicted: Partial<Prediction> = {}): Priced => ({
  quality: 0.8,
  chance: 1,
  deviceLoad: 0,
  swapReturnMs: undefined,
  e2eTargetMs: 40_000,
  ...given,
  predicted: {
    promptTokens: 100,
    cachedTokens: 0,
    prefillMs: 2000,
    decodeMedianMs: 8000,
    loadMs: 0,
    ...predicted,
    // Utility reads no more of a prediction than this.
  } as Prediction,
});
const worth = (one: Priced, recentSwaps = 0) => utilityOf(one, routing, recentSwaps);

describe('utilityOf', () => {
  it('is the quality alone on an idle machine with the model loaded', () => {
    expect(worth(priced())).toBe(0.8);
  });

  it('counts quality by the chance that it comes in time', () => {
    expect(worth(priced({ chance: 0.75 }))).toBeCloseTo(0.6, 12);
  });

  it('pays for congestion by the share of the target that the run takes', () => {
    expect(worth(priced({ deviceLoad: 2 }))).toBeCloseTo(0.8 - 0.15 * 2 * (10 / 40), 12);
  });

  it('pays for a load, and for the reload of whom it evicts', () => {
    expect(worth(priced({}, { loadMs: 20_000 }))).toBeCloseTo(0.8 - 0.1 * (20 / 40), 12);
    expect(worth(priced({ swapReturnMs: 10_000 }, { loadMs: 20_000 }))).toBeCloseTo(0.8 - 0.02 - 0.1 * (30 / 40), 12);
  });

  it('asks more of a swap the more there were lately', () => {
    const swap = priced({ swapReturnMs: 0 });
    expect(worth(swap, 0)).toBeCloseTo(0.78, 12);
    expect(worth(swap, 4)).toBeCloseTo(0.7, 12);
    expect(worth(priced(), 4)).toBe(0.8);
  });

  it('favours the model that holds the conversation, by the share it holds', () => {
    expect(worth(priced({}, { cachedTokens: 60 }))).toBeCloseTo(0.83, 12);
  });

  it('puts no price on time without a target', () => {
    const untimed = { e2eTargetMs: undefined, deviceLoad: 5 };
    expect(worth(priced(untimed, { loadMs: 60_000 }))).toBe(0.8);
    expect(worth(priced({ ...untimed, e2eTargetMs: 0 }))).toBe(0.8);
  });
});

describe('loadOf', () => {
  const used = (rho: number) => ({ ...NO_KNOWLEDGE, utilisation: () => rho });

  it('is the number of requests per lane, or what the last quarter of an hour says where that is more', () => {
    const lane = laneView('cpu', { lanes: 2, running: [laneEntry(), laneEntry()], waiting: [laneEntry()] });
    expect(loadOf(lane, NO_KNOWLEDGE, NOW_MS)).toBe(1.5);
    expect(loadOf(lane, used(0.5), NOW_MS)).toBe(1.5);
    expect(loadOf(lane, used(0.75), NOW_MS)).toBe(3);
    expect(loadOf(laneView('cpu'), used(0.5), NOW_MS)).toBe(1);
  });
});
