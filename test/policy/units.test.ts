import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCpuList } from '../../src/core/format.ts';
import {
  CPU_LIST_PATTERN,
  DURATION_PATTERN,
  parseCpuList,
  parseDurationMs,
  parseSizeBytes,
  parseWindowMinutes,
  SIZE_PATTERN,
  WINDOW_PATTERN,
} from '../../src/policy/units.ts';

describe('parseDurationMs', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['20s', 20_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('%s is %d ms', (text, durationMs) => {
    expect(parseDurationMs(text)).toBe(durationMs);
  });

  it.each(['', '15', 's', '-1s', '1 s', '1.s', '.5s', '1e3s', '1S', '1min', '1s2', ' 1s', '1s\n'])(
    '%j is refused with an example',
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(
        `expected a duration such as 250ms, 20s, 15m, 2h or 1d, got ${JSON.stringify(text)}`,
      );
    },
  );

  it('refuses what no timer can wait for', () => {
    expect(parseDurationMs('24d')).toBe(24 * 86_400_000);
    expect(() => parseDurationMs('25d')).toThrow('at most 24 d, got "25d"');
  });

  it('reads number and unit independently', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.integer({ min: 0, max: 99 }),
        fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
        (whole, hundredths, unit) => {
          const text = `${whole}.${String(hundredths).padStart(2, '0')}${unit}`;
          expect(parseDurationMs(text)).toBeCloseTo((whole + hundredths / 100) * units[unit], 6);
        },
      ),
    );
  });
});

describe('parseSizeBytes', () => {
  it.each([
    ['0B', 0],
    ['2048MB', 2_048_000_000],
    ['24GB', 24_000_000_000],
    ['1.5KB', 1500],
    ['256MiB', 268_435_456],
    ['24GiB', 25_769_803_776],
    ['0.3B', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  it.each(['', '24', '24 GB', '24gb', '24G', '-1GB', 'auto', '1e9B', '99999999TB'])('%j is refused', (text) => {
    expect(() => parseSizeBytes(text)).toThrow(/^expected a size such as .*, got /);
  });
});

describe('parseCpuList', () => {
  it.each([
    ['0-3,6', [0, 1, 2, 3, 6]],
    ['6,0-1,1', [0, 1, 6]],
    ['5', [5]],
  ])('%s is %j', (text, cpus) => {
    expect(parseCpuList(text)).toEqual(cpus);
  });

  it.each(['', '3-1', '-1', '1-', '1,,2', 'a', '0-9000', '0x3', '1 ,2'])('%j is refused', (text) => {
    expect(() => parseCpuList(text)).toThrow(/^expected .*, got /);
  });

  it('reads back what formatCpuList writes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { minLength: 1 }), (numbers) => {
        const cpus = numbers.toSorted((a, b) => a - b);
        expect(parseCpuList(formatCpuList(cpus))).toEqual(cpus);
      }),
    );
  });
});

describe('parseWindowMinutes', () => {
  it.each([
    ['22:00-07:00', 1320, 420],
    ['00:00-24:00', 0, 0],
    ['09:30-09:31', 570, 571],
  ])('%s goes from minute %d to %d', (text, startMinute, endMinute) => {
    expect(parseWindowMinutes(text)).toEqual({ startMinute, endMinute });
  });

  it.each(['', '22-07', '22:00', '24:00-07:00', '22:60-07:00', '9:00-10:00', '22:00 - 07:00'])(
    '%j is refused',
    (text) => {
      expect(() => parseWindowMinutes(text)).toThrow(/^expected a daily window such as 22:00-07:00, got /);
    },
  );
});

describe('the patterns of the JSON Schema', () => {
  it('accept nothing that the parsers refuse', () => {
    const parsers: readonly [string, (text: string) => unknown][] = [
      [DURATION_PATTERN, parseDurationMs],
      [SIZE_PATTERN, parseSizeBytes],
      [WINDOW_PATTERN, parseWindowMinutes],
      [CPU_LIST_PATTERN, parseCpuList],
    ];
    for (const [pattern, parse] of parsers) {
      fc.assert(
        fc.property(fc.stringMatching(new RegExp(pattern)), (text) => {
          try {
            parse(text);
          } catch (thrown) {
            // Limits and falling ranges are beyond a regular expression; the shape must be right.
            expect(String(thrown)).toMatch(/at most|rising ranges|up to|powers of 1000/);
          }
        }),
      );
    }
  });
});
