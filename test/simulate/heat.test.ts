import { describe, expect, it } from 'vitest';
import { createHeat } from '../../src/simulate/heat.ts';

const HOUR_MS = 3_600_000;

describe('createHeat', () => {
  it('leaves a resting board alone', () => {
    const heat = createHeat(() => 0, 'steady');
    expect(heat.slowdown()).toBe(1);
    expect(heat.durationMs(12_345)).toBe(12_345);
  });

  it('slows down what goes on for long with both devices busy, up to a bound, and recovers', () => {
    let nowMs = 0;
    const heat = createHeat(() => nowMs, 'steady');
    heat.setBusy('cpu', true);
    heat.setBusy('npu', true);
    nowMs = 60_000;
    expect(heat.slowdown()).toBe(1);
    nowMs = HOUR_MS;
    expect(heat.slowdown()).toBeCloseTo(1.56, 2);
    heat.setBusy('cpu', false);
    nowMs = 2 * HOUR_MS;
    expect(heat.slowdown()).toBe(1);
  });

  it('works off what is asked for as it warms up', () => {
    const heat = createHeat(() => 0, 'steady');
    heat.setBusy('cpu', true);
    heat.setBusy('npu', true);
    const longMs = heat.durationMs(HOUR_MS);
    expect(longMs).toBeGreaterThan(HOUR_MS * 1.3);
    expect(longMs).toBeLessThan(HOUR_MS * 1.56);
  });

  it('drifts: slower for good once the clock is capped', () => {
    let nowMs = 0;
    const heat = createHeat(() => nowMs, 'drift');
    nowMs = 5 * HOUR_MS;
    expect(heat.slowdown()).toBe(1);
    nowMs = 7 * HOUR_MS;
    expect(heat.slowdown()).toBe(1.25);
  });
});
