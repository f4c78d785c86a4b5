import { TARGETS } from './arguments.ts';
import type { Row } from './summary.ts';

const HEADINGS = ['what', 'unit', ...TARGETS, 'compared', 'target', 'verdict'];

/** The rows as one Markdown table whose columns also line up in a terminal. */
export function renderTable(rows: readonly Row[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => pad(cell, column, widths)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(HEADINGS), rule, ...rows.map((row) => line(cellsOf(row)))].join('\n');
}

const pad = (cell: string, column: number, widths: readonly number[]): string => cell.padEnd(widths[column] ?? 0);

function cellsOf(row: Row): readonly string[] {
  const compared = Object.entries(row.compared).map(([name, value]) => `${name} ${formatFigure(value)}`);
  const figures = TARGETS.map((name) => {
    const value = row.figures[name];
    return value === undefined ? '–' : formatFigure(value);
  });
  return [row.what, row.unit, ...figures, compared.join(', '), row.target, row.verdict];
}

/** Three significant digits below 100, whole numbers with thousands separators above. */
export function formatFigure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}
