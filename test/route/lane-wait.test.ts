import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { laneWaitMs, modelWaitMs, retryAfterMs } from '../../src/route/lane-wait.ts';
import { laneEntry, laneView, NOW_MS } from './small-policy.ts';

const running = (remainingMs: number, model = 'a') => laneEntry({ remainingMs, model });
const newcomer = laneEntry({ model: 'new' });

describe('laneWaitMs', () => {
  it('a free lane costs nothing', () => {
    expect(laneWaitMs(laneView('cpu'), newcomer, NOW_MS)).toBe(0);
    expect(laneWaitMs(laneView('cpu', { lanes: 2, running: [running(9000)] }), newcomer, NOW_MS)).toBe(0);
  });

  it('a busy lane costs what is left of its run', () => {
    expect(laneWaitMs(laneView('cpu', { running: [running(9000)] }), newcomer, NOW_MS)).toBe(9000);
  });

  it('the first of two lanes to end counts', () => {
    const lane = laneView('cpu', { lanes: 2, running: [running(9000), running(4000)] });
    expect(laneWaitMs(lane, newcomer, NOW_MS)).toBe(4000);
  });

  it('only those who go first are waited for', () => {
    const ahead = laneEntry({ class: 'route', remainingMs: 2000, deadlineMs: NOW_MS + 6000 });
    const behind = laneEntry({ class: 'batch', remainingMs: 600_000 });
    const lane = laneView('cpu', { running: [running(9000)], waiting: [ahead, behind] });
    expect(laneWaitMs(lane, newcomer, NOW_MS)).toBe(11_000);
  });

  it('work that overran its prediction is not counted as done', () => {
    expect(laneWaitMs(laneView('cpu', { running: [running(0)] }), newcomer, NOW_MS)).toBe(250);
  });

  it('after lanes were taken away the surplus must end first', () => {
    const lane = laneView('cpu', { lanes: 1, running: [running(9000), running(4000), running(6000)] });
    expect(laneWaitMs(lane, newcomer, NOW_MS)).toBe(9000);
  });

  it('a device without lanes is never free', () => {
    expect(laneWaitMs(laneView('cpu', { lanes: 0 }), newcomer, NOW_MS)).toBe(Number.POSITIVE_INFINITY);
  });

  it('more lanes never mean a longer wait', () => {
    const entries = fc.array(
      fc.integer({ min: 250, max: 60_000 }).map((ms) => running(ms)),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), entries, (lanes, waiting) => {
        const busy = Array.from({ length: lanes }, (_, at) => running(1000 * (at + 1)));
        const wait = (count: number) =>
          laneWaitMs(laneView('cpu', { lanes: count, running: busy, waiting }), newcomer, NOW_MS);
        expect(wait(lanes + 1)).toBeLessThanOrEqual(wait(lanes));
      }),
    );
  });
});

describe('modelWaitMs', () => {
  it('a busy child is waited for though another lane is free', () => {
    const lane = laneView('cpu', { lanes: 2, running: [running(60_000, 'nine')] });
    expect(modelWaitMs(lane, laneEntry({ model: 'nine' }), 1, NOW_MS)).toBe(60_000);
    expect(modelWaitMs(lane, laneEntry({ model: 'four' }), 1, NOW_MS)).toBe(0);
  });

  it('a child with two slots takes two', () => {
    const lane = laneView('cpu', { lanes: 4, running: [running(60_000, 'nine')] });
    expect(modelWaitMs(lane, laneEntry({ model: 'nine' }), 2, NOW_MS)).toBe(0);
  });
});

describe('retryAfterMs', () => {
  it('is the predicted wait, between one second and one hour', () => {
    const toldAfter = (ms: number) => retryAfterMs(laneView('cpu', { running: [running(ms)] }), newcomer, NOW_MS);
    expect(toldAfter(42_000)).toBe(42_000);
    expect(toldAfter(300)).toBe(1000);
    expect(toldAfter(1e9)).toBe(3_600_000);
  });
});
