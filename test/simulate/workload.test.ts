import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { generateRequests } from '../../src/simulate/workload.ts';
import { parseWorkload, referenceWorkload, referenceWorkloadFile } from '../../src/simulate/workload-file.ts';

const plan = referenceWorkload();
const text = readFileSync(referenceWorkloadFile(), 'utf8');

function problemsOf(source: string): string {
  try {
    parseWorkload(source, 'day.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return (error as GatewayError).message;
  }
  return '';
}

describe('generateRequests', () => {
  it('makes about 1,370 requests a day at load 1, and load times as many', () => {
    const online = (load: number) =>
      [1, 2, 3, 4].flatMap((seed) => generateRequests(plan, load, seed).filter((one) => one.class !== 'batch')).length /
      4;
    expect(online(1)).toBeGreaterThan(1_200);
    expect(online(1)).toBeLessThan(1_450);
    expect(online(1.6) / online(0.4)).toBeGreaterThan(3.6);
    expect(online(1.6) / online(0.4)).toBeLessThan(4.4);
  });

  it('keeps the batch as it is whatever the load', () => {
    const batch = (load: number) => generateRequests(plan, load, 1).filter((one) => one.class === 'batch');
    expect(batch(1)).toHaveLength(48);
    expect(batch(0.4).map(({ outputTokens }) => outputTokens)).toEqual(
      batch(1).map(({ outputTokens }) => outputTokens),
    );
    expect(new Set(batch(1).map(({ atMs }) => atMs))).toEqual(new Set([5 * 3_600_000]));
  });

  it('meets the medians it was given', () => {
    const lengths = [1, 2, 3, 4, 5, 6].flatMap((seed) =>
      generateRequests(plan, 1, seed).flatMap((one) => (one.class === 'route' ? [one.outputTokens] : [])),
    );
    const middle = lengths.sort((a, b) => a - b)[lengths.length >> 1];
    expect(middle).toBeGreaterThanOrEqual(7);
    expect(middle).toBeLessThanOrEqual(9);
  });

  it('is busiest in the afternoon and quietest at night', () => {
    const requests = [1, 2, 3, 4].flatMap((seed) =>
      generateRequests(plan, 1, seed).filter((one) => one.class !== 'batch'),
    );
    const between = (from: number, to: number) =>
      requests.filter(({ atMs }) => atMs >= from * 3_600_000 && atMs < to * 3_600_000).length;
    expect(between(1, 5) / between(13, 17)).toBeGreaterThan(2.5);
  });

  it('is in order of time and numbered in that order', () => {
    const requests = generateRequests(plan, 1, 7);
    expect(requests.map(({ index }) => index)).toEqual(requests.map((_, index) => index));
    expect(requests.map(({ atMs }) => atMs)).toEqual(requests.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
  });
});

describe('parseWorkload', () => {
  it('names an unknown key with its place and the keys there are', () => {
    expect(problemsOf(text.replace('burstiness:', 'burstines:'))).toMatch(/^day\.yaml:6:1 .*unknown key "burstines"/);
  });

  it.each([
    ['start: "12:00"', 'start: "25:00"', /day\.yaml:4:8 start: expected a time of day such as "17:00", got "25:00"/],
    ['duration: 24h', 'duration: 9d', /day\.yaml:5:11 duration: expected at most 7d/],
    ['per_hour: 50', 'per_hour: -1', /classes\.route\.per_hour: expected at least 0, got -1/],
    ['items: 48', 'items: 1.5', /batch\.items: expected a whole number, got 1\.5/],
    ['extract: { share: 7 }', 'sorting: { share: 7 }', /classes\.route\.tasks/],
  ])('refuses %s written as %s, with line and column', (right, wrong, expected) => {
    expect(text).toContain(right);
    expect(problemsOf(text.replace(right, wrong))).toMatch(expected);
  });

  it('takes a workload without a batch and with a flat day', () => {
    const flat = parseWorkload(
      'version: 1\nname: flat\nduration: 1h\nclasses: { route: { per_hour: 60, prompt: { median: 50, sigma: 0 }, output: { median: 5, sigma: 0 }, tasks: { qa: { share: 1 } } } }\n',
      'flat.yaml',
    );
    expect(flat.batch).toBeUndefined();
    expect(generateRequests(flat, 1, 1).length).toBeGreaterThan(35);
  });
});
