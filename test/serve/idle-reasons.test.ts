import { describe, expect, test } from 'vitest';
import type { Figure, Profile } from '../../src/core/profile.ts';
import { reasonsToMeasure } from '../../src/serve/idle-reasons.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00.000Z');
const idle = { maxAgeMs: 7 * 86_400_000 };

const figure = (given: Partial<Figure> = {}): Figure => ({
  ...{ value: 5, n: 5, source: 'run r', provenance: 'measured', at: '2026-11-20T00:00:00.000Z' },
  ...given,
});
const profile = (given: Partial<Figure> = {}): Profile => ({
  prefillTokensPerSec: figure(given),
  decodeTokensPerSec: figure(given),
});

describe('reasonsToMeasure', () => {
  test('fresh figures of this state have none', () => {
    expect(reasonsToMeasure({ profile: profile(), stale: [], isDrifting: false }, idle, NOW_MS)).toEqual([]);
  });

  test.each([
    ['drift', { profile: profile(), stale: [], isDrifting: true }, [/become slower/]],
    ['another state', { profile: profile(), stale: ['kernel: 1 then, 2 now'], isDrifting: false }, [/^kernel/]],
    [
      'age',
      { profile: profile({ at: '2026-11-01T00:00:00.000Z' }), stale: [], isDrifting: false },
      [/days? old|d old|old$/],
    ],
    [
      'figures of others',
      { profile: profile({ provenance: 'reference' }), stale: [], isDrifting: false },
      [/not been/],
    ],
    ['nothing known', { profile: {}, stale: [], isDrifting: false }, [/not been measured/]],
  ])('%s is one', (_, freshness, expected) => {
    const reasons = reasonsToMeasure(freshness, idle, NOW_MS);
    expect(reasons).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(reasons[index]).toMatch(pattern);
  });

  test('drift is named before staleness', () => {
    const reasons = reasonsToMeasure({ profile: profile(), stale: ['kernel'], isDrifting: true }, idle, NOW_MS);
    expect(reasons.map((reason) => reason.slice(0, 6))).toEqual(['the de', 'kernel']);
  });
});
