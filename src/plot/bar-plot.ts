import { type Axis, type PlotText, renderPlot, valueAxis } from './render.ts';
import { INK, SERIES_COLOURS } from './theme.ts';

/** A bar; `series` is what its colour stands for. */
export type Bar = { readonly label: string; readonly value: number; readonly series: string };

/** Bars, a line each, in the order given, against a limit where there is one. */
export function barPlot(
  text: PlotText,
  {
    bars,
    axis,
    limit,
  }: {
    readonly bars: readonly Bar[];
    readonly axis: Axis;
    readonly limit: { readonly value: number; readonly label: string } | undefined;
  },
): Promise<string> {
  const series = [...new Set(bars.map((bar) => bar.series))];
  const x = {
    type: 'quantitative',
    ...valueAxis(
      axis,
      bars.map(({ value }) => value),
    ),
  };
  const colour = {
    field: 'series',
    type: 'nominal',
    scale: { domain: series, range: SERIES_COLOURS },
    legend: series.length > 1 ? {} : null,
  };
  const y = { field: 'label', type: 'nominal', sort: null, title: null, axis: { domain: false, ticks: false } };
  const layer = [
    { mark: { type: 'bar', height: { band: 0.65 } }, encoding: { y, x: { ...x, field: 'value' }, color: colour } },
    ...(limit === undefined ? [] : limitLayers(limit, x)),
  ];
  return renderPlot(text, { data: { values: bars }, height: { step: 24 }, layer });
}

function limitLayers(limit: { readonly value: number; readonly label: string }, x: object) {
  const encoding = { x: { ...x, field: 'limit' } };
  const data = { values: [{ limit: limit.value, label: limit.label }] };
  return [
    { data, mark: { type: 'rule', color: INK.ink, strokeWidth: 2, strokeDash: [5, 3] }, encoding },
    {
      data,
      mark: { type: 'text', color: INK.ink, align: 'right', dx: -6, baseline: 'bottom', fontSize: 12.5, y: 12 },
      encoding: { ...encoding, text: { field: 'label' } },
    },
  ];
}
