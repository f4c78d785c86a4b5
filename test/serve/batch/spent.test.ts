import { describe, expect, it } from 'vitest';
import { FIRST_PACE, type Pace } from '../../../src/batch/pace.ts';
import { createSpentBook } from '../../../src/serve/batch/spent.ts';

function book() {
  const saved: Pace[] = [];
  const spent = createSpentBook({ load: () => saved.at(-1) ?? FIRST_PACE, save: (pace) => void saved.push(pace) });
  return { spent, saved };
}
const done = (tookMs: number, plannedMs = tookMs) => ({ isDone: true, tookMs, plannedMs, promisedMs: plannedMs });

describe('what a batch has used', () => {
  it('says how many items an hour brings', () => {
    const { spent } = book();
    expect(spent.itemsPerHour('a')).toBeNull();
    spent.add('a', done(600_000));
    spent.add('a', done(600_000));
    expect(spent.itemsPerHour('a')).toBe(6);
    expect(spent.itemsPerHour('b')).toBeNull();
  });

  it('teaches how the night went, with what was in vain and what was waited for', () => {
    const { spent, saved } = book();
    const { spent: other, saved: otherSaved } = book();
    for (const one of [spent, other]) for (let item = 0; item < 100; item += 1) one.add('a', done(1000));
    spent.add('a', { isDone: false, tookMs: 20_000, plannedMs: 1000, promisedMs: 1000 });
    spent.waited('a', 30_000);
    spent.close('a');
    other.close('a');
    const [slow = 0] = saved[0]?.scores ?? [];
    const [even = 0] = otherSaved[0]?.scores ?? [];
    expect(even).toBeCloseTo(0, 1);
    expect(Math.exp((slow - even) * Math.sqrt(0.09 + Math.log(1.009)))).toBeCloseTo(1.5, 5);
  });

  it('is what the rest of it is expected to be, and gone once it has ended', () => {
    const { spent } = book();
    for (let item = 0; item < 80; item += 1) spent.add('a', done(2000, 1000));
    expect(spent.reserve('a').expected).toBeGreaterThan(1.8);
    expect(spent.reserve('b').expected).toBe(1);
    spent.close('a');
    expect(spent.itemsPerHour('a')).toBeNull();
  });

  it('teaches nothing where nothing was done', () => {
    const { spent, saved } = book();
    spent.waited('a', 1000);
    spent.close('a');
    spent.close('b');
    expect(saved).toEqual([]);
  });
});
