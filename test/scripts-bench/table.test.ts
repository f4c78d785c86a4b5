import { describe, expect, it } from 'vitest';
import { formatFigure, renderTable } from '../../scripts/gateway-bench/table.ts';

describe('formatFigure', () => {
  it.each([
    [0.01736, '0.0174'],
    [5.0, '5'],
    [99.96, '100'],
    [17_900.4, '17,900'],
    [-123.4, '-123'],
  ])('%d reads %s', (value, text) => {
    expect(formatFigure(value)).toBe(text);
  });
});

describe('renderTable', () => {
  it('gives every line the same length and a dash to what was not measured', () => {
    const table = renderTable([
      {
        what: 'whole replies',
        unit: '1/s',
        figures: { direct: 100_000, gateway: 9000 },
        compared: { overRelay: 0.5 },
        target: 'some',
        verdict: 'meets',
      },
    ]);
    const lines = table.split('\n');
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
    expect(lines[2]?.split('|').map((cell) => cell.trim())).toEqual([
      '',
      'whole replies',
      '1/s',
      '100,000',
      '–',
      '–',
      '9,000',
      'overRelay 0.5',
      'some',
      'meets',
      '',
    ]);
  });
});
