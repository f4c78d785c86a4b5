import { type Axis, type PlotText, renderPlot, valueAxis } from './render.ts';
import { SERIES_COLOURS } from './theme.ts';

/** A point of a line; `isMeasured` ones are drawn as dots with their interval, the others are the line between. */
export type LinePoint = {
  readonly series: string;
  readonly x: number;
  readonly y: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly isMeasured: boolean;
};

/** Lines and measured points, one colour per series; beyond eight series the strokes differ too. */
export function linePlot(
  text: PlotText,
  given: { readonly points: readonly LinePoint[]; readonly x: Axis; readonly y: Axis; readonly height?: number },
): Promise<string> {
  const { points, height = 240 } = given;
  const domain = [...new Set(points.map(({ series }) => series))];
  const colour = { field: 'series', type: 'nominal', scale: { domain, range: domain.map(colourOf) }, legend: {} };
  const dash = { field: 'series', type: 'nominal', scale: { domain, range: domain.map(dashOf) }, legend: {} };
  const strokes = domain.length > SERIES_COLOURS.length ? { strokeDash: dash } : {};
  const x = {
    type: 'quantitative',
    ...valueAxis(
      given.x,
      points.map((point) => point.x),
    ),
  };
  const ys = points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]);
  const y = { type: 'quantitative', ...valueAxis(given.y, ys) };
  const layer = [
    {
      transform: [{ filter: '!datum.isMeasured' }],
      mark: { type: 'line', strokeWidth: 2 },
      encoding: { x: { ...x, field: 'x' }, y: { ...y, field: 'y' }, color: colour, ...strokes },
    },
    {
      transform: [{ filter: 'datum.isMeasured && isValid(datum.low) && isValid(datum.high)' }],
      mark: { type: 'rule', strokeWidth: 2, opacity: 0.6 },
      encoding: { x: { ...x, field: 'x' }, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
    },
    {
      transform: [{ filter: 'datum.isMeasured' }],
      mark: { type: 'point', filled: true, size: 46, opacity: 1 },
      encoding: { x: { ...x, field: 'x' }, y: { ...y, field: 'y' }, color: colour },
    },
  ];
  return renderPlot(text, { data: { values: points }, height, layer });
}

const colourOf = (_: string, index: number): string => SERIES_COLOURS[index % SERIES_COLOURS.length] ?? '';
const dashOf = (_: string, index: number): readonly number[] => (index < SERIES_COLOURS.length ? [1, 0] : [6, 3]);
