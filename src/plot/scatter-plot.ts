import { type Placement, placeLabels } from './place-labels.ts';
import { type Axis, type PlotText, renderPlot, valueAxis } from './render.ts';
import { INK, SERIES_COLOURS } from './theme.ts';

/** A named point; `isFront` ones are joined by a line of steps. */
export type ScatterPoint = {
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly series: string;
  readonly isFront: boolean;
};

/** Of the area between the axes, px; near enough to find places for names. */
const AREA = { width: 330, height: 260 } as const;
/** Of the values' span, left free on both sides. */
const MARGIN = 0.12;

/** Named points with their intervals in y over a logarithmic x, and the line of those that no other point beats. */
export function scatterPlot(
  text: PlotText,
  given: { readonly points: readonly ScatterPoint[]; readonly x: Axis; readonly y: Axis },
): Promise<string> {
  const { points } = given;
  const series = [...new Set(points.map((point) => point.series))];
  const colour = { field: 'series', type: 'nominal', scale: { domain: series, range: SERIES_COLOURS }, legend: {} };
  const xs = spanOf(points.map(({ x }) => Math.log10(x)));
  const ys = spanOf(points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]));
  const log = valueAxis({ ...given.x, log: true }, [10 ** xs.from, 10 ** xs.to]);
  const x = { type: 'quantitative', ...log, scale: { type: 'log', nice: false, domain: [10 ** xs.from, 10 ** xs.to] } };
  const scale = { domain: [ys.from, ys.to], nice: false, zero: false };
  const y = { type: 'quantitative', title: given.y.title, scale, axis: { tickCount: 5 } };
  const at = { x: { ...x, field: 'x' }, y: { ...y, field: 'y' } };
  const places = placeLabels(
    points.map((point) => ({
      label: point.label,
      x: ((Math.log10(point.x) - xs.from) / (xs.to - xs.from)) * AREA.width,
      y: (1 - (point.y - ys.from) / (ys.to - ys.from)) * AREA.height,
    })),
    AREA,
  );
  const layer = [
    {
      transform: [{ filter: 'datum.isFront' }],
      mark: { type: 'line', interpolate: 'step-after', strokeDash: [4, 3], color: INK.muted, strokeWidth: 1.5 },
      encoding: { ...at, order: { field: 'x', type: 'quantitative' } },
    },
    {
      transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
      mark: { type: 'rule', strokeWidth: 2, opacity: 0.5 },
      encoding: { x: at.x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
    },
    { mark: { type: 'point', filled: true, size: 70, opacity: 1 }, encoding: { ...at, color: colour } },
    ...points.map((point, index) => nameLayer(point, places[index], at)),
  ];
  return renderPlot(text, { data: { values: points }, height: AREA.height, layer });
}

const nameLayer = (point: ScatterPoint, place: Placement | undefined, encoding: object) => ({
  data: { values: [point] },
  mark: { type: 'text', fontSize: 12, color: INK.ink, baseline: 'middle', ...place },
  encoding: { ...encoding, text: { field: 'label' } },
});

function spanOf(values: readonly number[]): { readonly from: number; readonly to: number } {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max((most - least) * MARGIN, 0.02);
  return { from: least - margin, to: most + margin };
}
