import { type PlotText, renderPlot } from './render.ts';

/** A cell: two names and a value, the less of it the better. */
export type HeatCell = { readonly column: string; readonly row: string; readonly value: number; readonly text: string };

/** Cells coloured by their value; the text in a cell is what it says. Columns and rows in the order given. */
export function heatMap(
  text: PlotText,
  { cells, columns, rows }: { readonly cells: readonly HeatCell[]; readonly columns: string; readonly rows: string },
): Promise<string> {
  const values = cells.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const encoding = {
    x: {
      field: 'column',
      type: 'ordinal',
      sort: null,
      title: columns,
      axis: { labelAngle: 0, domain: false, ticks: false },
    },
    y: { field: 'row', type: 'ordinal', sort: null, title: rows, axis: { domain: false, ticks: false } },
  };
  // The colours do not follow the reader's light or dark: the numbers stand on them.
  const colour = {
    field: 'value',
    type: 'quantitative',
    scale: { scheme: 'viridis', reverse: true, domain: [least, most > least ? most : least + 1] },
    legend: null,
  };
  const isDark = `datum.value > ${least + 0.45 * (most - least)}`;
  const layer = [
    { mark: { type: 'rect' }, encoding: { ...encoding, color: colour } },
    {
      mark: { type: 'text', fontSize: 12 },
      encoding: {
        ...encoding,
        text: { field: 'text' },
        color: { condition: { test: isDark, value: '#ffffff' }, value: '#000000' },
      },
    },
  ];
  return renderPlot(text, { data: { values: cells }, height: { step: 30 }, layer });
}
