import { type Axis, type PlotText, renderPlot, valueAxis } from './render.ts';
import { SERIES_COLOURS } from './theme.ts';

/** A value with its interval, one per line. Labels of one panel differ. */
export type IntervalRow = {
  readonly label: string;
  readonly value: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** What its colour stands for. */
  readonly series: string;
  /** Rows of one panel stand together under its name; absent: no panels. */
  readonly panel?: string;
};

/** Dots with their intervals, a line each, in the order given. */
export function intervalPlot(
  text: PlotText,
  { rows, axis }: { readonly rows: readonly IntervalRow[]; readonly axis: Axis },
): Promise<string> {
  const series = [...new Set(rows.map((row) => row.series))];
  const colour = {
    field: 'series',
    type: 'nominal',
    scale: { domain: series, range: SERIES_COLOURS },
    legend: series.length > 1 ? {} : null,
  };
  const y = {
    field: 'label',
    type: 'nominal',
    sort: null,
    title: null,
    axis: { domain: false, ticks: false, grid: true },
  };
  const x = {
    type: 'quantitative',
    ...valueAxis(
      axis,
      rows.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]),
    ),
  };
  const layer = [
    {
      transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
      mark: { type: 'rule', strokeWidth: 4, opacity: 0.5 },
      encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' }, color: colour },
    },
    {
      mark: { type: 'point', filled: true, size: 46, opacity: 1 },
      encoding: { y, x: { ...x, field: 'value' }, color: colour },
    },
  ];
  const panels = new Set(rows.map(({ panel }) => panel));
  const data = { values: rows };
  if (panels.size < 2) return renderPlot(text, { data, height: { step: 22 }, layer });
  // Every panel has its own order of rows, on one axis for all.
  const facet = { field: 'panel', type: 'nominal', sort: null, title: null, header: { labelAnchor: 'start' } };
  const spec = { width: PANEL_WIDTH, height: { step: 20 }, layer };
  return renderPlot(text, { data, facet, columns: 1, spec, resolve: { scale: { y: 'independent' } } });
}

/** Of the area between the axes, px. */
const PANEL_WIDTH = 520;
