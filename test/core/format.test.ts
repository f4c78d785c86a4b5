import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDurationMs,
  formatShare,
  formatTimeUtc,
  formatTokensPerSec,
} from '../../src/core/format.ts';

describe('formatDurationMs', () => {
  it.each([
    [0, '0 ms'],
    [0.25, '0.3 ms'],
    [250, '250 ms'],
    [999.4, '999 ms'],
    [999.6, '1 s'],
    [1500, '1.5 s'],
    [9_940, '9.9 s'],
    [9_960, '10 s'],
    [45_000, '45 s'],
    [121_000, '121 s'],
    [300_000, '300 s'],
    [330_000, '5 min 30 s'],
    [3_599_600, '1 h'],
    [7_500_000, '2 h 5 min'],
    [97_200_000, '1 d 3 h'],
    [-1500, '-1.5 s'],
    [Number.POSITIVE_INFINITY, 'never'],
    [Number.NaN, 'unknown'],
  ])('%d ms reads as %s', (durationMs, text) => {
    expect(formatDurationMs(durationMs)).toBe(text);
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1500, '1.50 KB'],
    [256e6, '256 MB'],
    [5_382_200_000, '5.38 GB'],
    [20_808_700_000, '20.8 GB'],
    [999_600, '1.00 MB'],
    [-1500, '-1.50 KB'],
    [Number.NaN, 'unknown'],
  ])('%d bytes read as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('stays within half a percent of the value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e15 }), (bytes) => {
        const [figure, unit] = formatBytes(bytes).split(' ');
        const scale = 1000 ** ['B', 'KB', 'MB', 'GB', 'TB', 'PB'].indexOf(String(unit));
        expect(Math.abs(Number(figure) * scale - bytes) / bytes).toBeLessThanOrEqual(0.005);
      }),
    );
  });
});

describe('formatShare, formatTokensPerSec, formatTimeUtc', () => {
  it('give a unit with a space', () => {
    expect(formatShare(0.834)).toBe('83 %');
    expect(formatTokensPerSec(2.48)).toBe('2.48 tok/s');
    expect(formatTokensPerSec(25.11)).toBe('25.1 tok/s');
    expect(formatTimeUtc(Date.UTC(2026, 10, 20, 22, 0))).toBe('2026-11-20 22:00 UTC');
  });
});
