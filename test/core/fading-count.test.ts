import { describe, expect, it } from 'vitest';
import { FadingCount } from '../../src/core/fading-count.ts';

describe('FadingCount', () => {
  it('is zero before anything has happened', () => {
    const count = new FadingCount(1000);
    expect(count.at(5)).toBe(0);
    expect(count.lastMs).toBeUndefined();
  });

  it('counts an event fully at first and a third of it one fade later', () => {
    const count = new FadingCount(1000);
    count.add(50);
    expect(count.at(50)).toBe(1);
    expect(count.lastMs).toBe(50);
    expect(count.at(1050)).toBeCloseTo(Math.exp(-1), 10);
    expect(count.at(50_000)).toBeLessThan(1e-9);
  });

  it('reads as events per fade in a steady flow', () => {
    const count = new FadingCount(3_600_000);
    for (let minute = 0; minute < 60 * 24; minute += 6) count.add(minute * 60_000);
    expect(count.at(60 * 24 * 60_000 - 180_000)).toBeCloseTo(10, 0);
  });

  it('does not grow when a clock goes back', () => {
    const count = new FadingCount(1000);
    count.add(5000);
    expect(count.at(0)).toBe(1);
  });
});
