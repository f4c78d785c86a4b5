import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstTokenLimitMs, loadLimitMs, silenceLimitMs } from '../../../runtimes/rkllm/deadlines.ts';

const UNKNOWN = { prefillTokensPerSec: undefined, decodeTokensPerSec: undefined };

describe('loadLimitMs', () => {
  it.each([
    [0, 60_000],
    [1.3e9, 60_000],
    [2e9, 90_000],
    [4e9, 180_000],
  ])('allows %d bytes %d ms', (bytes, limitMs) => {
    expect(loadLimitMs(bytes)).toBe(limitMs);
  });
});

describe('firstTokenLimitMs', () => {
  it.each([
    [1024, 15_000],
    [4096, 71_000],
    [8192, 226_000],
  ])('leaves a prompt of %d tokens, read in %d ms on the slowest board published, time enough', (tokens, tookMs) => {
    expect(firstTokenLimitMs(tokens, UNKNOWN)).toBeGreaterThan(tookMs * 1.5);
    expect(firstTokenLimitMs(tokens, UNKNOWN)).toBeLessThan(Math.max(120_000, tookMs * 8));
  });

  it('follows the measured rate', () => {
    const slow = firstTokenLimitMs(4000, { ...UNKNOWN, prefillTokensPerSec: 20 });
    expect(slow).toBeGreaterThan(firstTokenLimitMs(4000, { ...UNKNOWN, prefillTokensPerSec: 200 }));
    expect(slow).toBeGreaterThan((4000 / 20) * 1000);
  });

  it('never shrinks as a prompt grows', () => {
    const tokens = fc.integer({ min: 0, max: 16_384 });
    fc.assert(
      fc.property(tokens, tokens, (left, right) => {
        const [short, long] = left < right ? [left, right] : [right, left];
        expect(firstTokenLimitMs(long, UNKNOWN)).toBeGreaterThanOrEqual(firstTokenLimitMs(short, UNKNOWN));
      }),
    );
  });
});

describe('silenceLimitMs', () => {
  it('is half a minute, or twenty tokens of a very slow model', () => {
    expect(silenceLimitMs(UNKNOWN)).toBe(30_000);
    expect(silenceLimitMs({ ...UNKNOWN, decodeTokensPerSec: 3 })).toBe(30_000);
    expect(silenceLimitMs({ ...UNKNOWN, decodeTokensPerSec: 0.1 })).toBe(200_000);
  });
});
