import { escapeText, niceTicks, PLOT_STYLE } from './svg.ts';

/** A value with its interval, one per line of the chart. */
export type IntervalRow = {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Drawn in the accent colour. */
  readonly marked?: boolean;
};

/** What the chart is to show. */
export type IntervalChart = {
  readonly title: string;
  /** What the horizontal axis counts, with its unit. */
  readonly axis: string;
  /** One panel below the other, all on the same axis. */
  readonly panels: readonly { readonly title: string; readonly rows: readonly IntervalRow[] }[];
};

const WIDTH = 760;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 60;
const ROW_HEIGHT = 20;
const TITLE_HEIGHT = 34;
const PANEL_HEAD = 30;
const AXIS_HEIGHT = 46;

/**
 * Dots with their intervals as a self-contained SVG text: no script, no font, no address to load from; light and dark by
 * the reader's own setting. Rows stand in the order given. Where there is no row, the axis goes from 0 to 1.
 */
export function intervalChart({ title, axis, panels }: IntervalChart): string {
  const all = panels.flatMap(({ rows }) => rows);
  const ticks = niceTicks(Math.min(0, ...all.map(({ low }) => low)), Math.max(...all.map(({ high }) => high), 0.01));
  const [from = 0, to = 1] = [ticks[0], ticks.at(-1)];
  const x = (value: number) => LABEL_WIDTH + ((value - from) / (to - from)) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH);
  const parts: string[] = [];
  let y = TITLE_HEIGHT;
  for (const panel of panels) {
    parts.push(`<text class="panel" x="8" y="${y + 20}">${escapeText(panel.title)}</text>`);
    y += PANEL_HEAD;
    const bottom = y + panel.rows.length * ROW_HEIGHT;
    for (const tick of ticks) {
      parts.push(`<line class="grid" x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${y}" y2="${bottom}"/>`);
    }
    for (const row of panel.rows) {
      parts.push(rowOf(row, x, y + ROW_HEIGHT / 2));
      y += ROW_HEIGHT;
    }
  }
  for (const tick of ticks) {
    parts.push(`<text class="tick" x="${round(x(tick))}" y="${y + 16}" text-anchor="middle">${shown(tick)}</text>`);
  }
  const middle = round((x(from) + x(to)) / 2);
  parts.push(`<text class="tick" x="${middle}" y="${y + 36}" text-anchor="middle">${escapeText(axis)}</text>`);
  const height = y + AXIS_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}">`,
    PLOT_STYLE,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="8" y="22">${escapeText(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function rowOf(row: IntervalRow, x: (value: number) => number, y: number): string {
  const kind = row.marked === true ? 'mark' : 'data';
  const exact = `${row.label}: ${shown(row.value)} (95 %: ${shown(row.low)} to ${shown(row.high)})`;
  return [
    `<g class="${kind}"><title>${escapeText(exact)}</title>`,
    `<text class="label" x="${LABEL_WIDTH - 10}" y="${y + 4}" text-anchor="end">${escapeText(row.label)}</text>`,
    `<line class="span" x1="${round(x(row.low))}" x2="${round(x(row.high))}" y1="${y}" y2="${y}"/>`,
    `<circle cx="${round(x(row.value))}" cy="${y}" r="4"/>`,
    `<text class="value" x="${WIDTH - 8}" y="${y + 4}" text-anchor="end">${row.value.toFixed(3)}</text></g>`,
  ].join('');
}

const round = (value: number): number => Math.round(value * 10) / 10;
const shown = (value: number): string => String(Number(value.toFixed(3)));
