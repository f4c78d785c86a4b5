import { describe, expect, it } from 'vitest';
import { drawNormal, seededRandom } from '../../src/core/random.ts';
import { alarmed, newLevel, newWatch, sigmaOf } from '../../src/learn/cusum.ts';

const MODELS = 4;

/** Alarms in so many samples of a device whose models do not change. */
function falseAlarms(spread: number, samples: number, seed: number): number {
  const random = seededRandom(seed);
  const levels = Array.from({ length: MODELS }, newLevel);
  let watch = newWatch();
  let alarms = 0;
  for (let turn = 0; turn < samples; turn += 1) {
    const level = levels[turn % MODELS];
    if (level === undefined || !alarmed(watch, level, spread * drawNormal(random))) continue;
    alarms += 1;
    watch = newWatch();
  }
  return alarms;
}

/** Samples until the alarm after a device became slower by `factor`; undefined for an alarm before that. */
function delayOf(seed: number, factor: number, spread: number): number | undefined {
  const random = seededRandom(seed);
  const [watch, level] = [newWatch(), newLevel()];
  for (let turn = 0; turn < 100; turn += 1) {
    if (alarmed(watch, level, 0.3 + spread * drawNormal(random))) return undefined;
  }
  for (let turn = 1; turn < 500; turn += 1) {
    if (alarmed(watch, level, 0.3 + Math.log(factor) + spread * drawNormal(random))) return turn;
  }
  return Number.POSITIVE_INFINITY;
}

function meanDelay(factor: number, spread: number): number {
  const delays = Array.from({ length: 300 }, (_, seed) => delayOf(seed + 1, factor, spread)).flatMap(
    (delay) => delay ?? [],
  );
  expect(delays.length).toBeGreaterThan(285);
  return delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
}

describe('alarmed', () => {
  it.each([0.02, 0.08, 0.15, 0.3])('with noise of %d it is wrong at most once in 5,000 samples', (spread) => {
    const samples = 200_000;
    expect(falseAlarms(spread, samples, 11)).toBeLessThanOrEqual(samples / 5_000);
  });

  it('notices 20 % more within six samples and 50 % more within three, at the usual noise', () => {
    expect(meanDelay(1.2, 0.08)).toBeLessThanOrEqual(6);
    expect(meanDelay(1.5, 0.08)).toBeLessThanOrEqual(3);
  });

  it('notices a drift that is as slow as one percent per sample', () => {
    const random = seededRandom(5);
    const [watch, level] = [newWatch(), newLevel()];
    let turn = 0;
    while (turn < 400 && !alarmed(watch, level, 0.01 * Math.max(0, turn - 100) + 0.08 * drawNormal(random))) turn += 1;
    expect(turn).toBeGreaterThan(100);
    expect(turn).toBeLessThan(135);
  });

  it('does not mind a device that has become faster', () => {
    expect(delayOf(1, 0.6, 0.08)).toBe(Number.POSITIVE_INFINITY);
  });

  it('counts a single stalled request for one bad sample, not for a drift', () => {
    const [watch, level] = [newWatch(), newLevel()];
    const alarms = Array.from({ length: 300 }, (_, turn) => alarmed(watch, level, turn % 50 === 49 ? 5 : 0));
    expect(alarms.some(Boolean)).toBe(false);
  });

  it('raises one alarm and not one per sample', () => {
    const [watch, level] = [newWatch(), newLevel()];
    const alarms = Array.from({ length: 100 }, (_, turn) => alarmed(watch, level, turn < 50 ? 0 : 0.6));
    expect(alarms.filter(Boolean)).toHaveLength(1);
    expect(watch.drifting).toBe(true);
  });

  it('knows the noise of a model, also while its level moves', () => {
    const random = seededRandom(3);
    const [watch, level] = [newWatch(), newLevel()];
    for (let turn = 0; turn < 2_000; turn += 1) alarmed(watch, level, turn / 1_000 + 0.2 * drawNormal(random));
    expect(sigmaOf(level)).toBeGreaterThan(0.15);
    expect(sigmaOf(level)).toBeLessThan(0.27);
  });
});
