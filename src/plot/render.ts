import type { LoggerInterface } from 'vega';
import type { Config, TopLevelSpec } from 'vega-lite';
import { textWidth } from './text-width.ts';
import { INK, PLOT_CSS, themed } from './theme.ts';

/** What every plot says of itself. */
export type PlotText = {
  /** Short; read out first. */
  readonly title: string;
  /** What it shows and what to see in it, in a sentence or two, for those who cannot see it. */
  readonly description: string;
  /** True for a file of its own: style and paper stand within, and so does the title. */
  readonly standalone?: boolean;
};

/** A picture is made for a phone's width; a wide page shows several beside each other. */
const WIDTH = 400;
const STANDALONE_WIDTH = 760;
const FIT = { type: 'fit-x', contains: 'padding' };

const CONFIG: Config = {
  aria: false,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...{ labelColor: INK.ink, titleColor: INK.muted, gridColor: INK.grid, domainColor: INK.grid, tickColor: INK.grid },
    ...{ labelFontSize: 12.5, titleFontSize: 12.5, titleFontWeight: 'normal', labelLimit: 280, labelPadding: 5 },
    ...{ labelOverlap: 'parity', labelSeparation: 6 },
  },
  title: { color: INK.ink, fontSize: 15, anchor: 'start', fontWeight: 600, offset: 10 },
  header: { labelColor: INK.ink, titleColor: INK.muted, labelFontSize: 13, labelFontWeight: 600 },
  legend: {
    ...{ orient: 'top', title: null, labelColor: INK.ink, labelFontSize: 12.5, labelLimit: 240, columns: 2 },
    ...{ symbolStrokeWidth: 2, symbolSize: 70, symbolOpacity: 1, rowPadding: 2 },
  },
};

const nothing = () => SILENT;
/** What the library would say of a specification it had to complete; a fault throws all the same. */
const SILENT: LoggerInterface = {
  level: nothing as LoggerInterface['level'],
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
};

/**
 * Draws a Vega-Lite specification as SVG text: no script, no address to load from, colours by the reader's own light or
 * dark setting. The library is loaded by the first plot, which takes half a second.
 */
export async function renderPlot(text: PlotText, spec: Readonly<Record<string, unknown>>): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  measureText(vega);
  const { standalone = false } = text;
  const whole = {
    ...spec,
    // A plot of several panels has its own widths.
    ...('facet' in spec ? {} : { width: standalone ? STANDALONE_WIDTH : WIDTH, autosize: FIT }),
    background: null,
    padding: standalone ? 12 : 4,
    ...(standalone ? { title: text.title } : {}),
  };
  const compiled = vegaLite.compile(whole as unknown as TopLevelSpec, { config: CONFIG, logger: SILENT });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return described(themed(await view.toSVG()), text);
  } finally {
    view.finalize();
  }
}

/** Exported by the library and missing in its types. */
type Measures = {
  readonly textMetrics: { width: (item: { readonly fontSize?: number }, text: unknown) => number };
};

function measureText(vega: object): void {
  (vega as Measures).textMetrics.width = ({ fontSize = 11 }, text) => textWidth(String(text), fontSize);
}

/** Puts title and description first, which is where assistive programs look for them. */
function described(svg: string, { title, description, standalone = false }: PlotText): string {
  const end = svg.indexOf('>') + 1;
  const [, width = '', height = ''] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  const style = standalone
    ? `<style>${PLOT_CSS}\n.paper{fill:#fff}@media (prefers-color-scheme:dark){.paper{fill:#16181d}}</style><rect class="paper" width="${width}" height="${height}"/>`
    : '';
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`;
  return `${open}<title>${escapeText(title)}</title><desc>${escapeText(description)}</desc>${style}${svg.slice(end)}\n`;
}

/** Text safe inside an element and inside a double-quoted attribute. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** What a quantitative axis shows, with its unit. */
export type Axis = { readonly title: string; readonly log?: boolean };

/** An axis for values; on a logarithmic one ticks at 1, 2 and 5, over more than two decades at powers of ten alone. */
export function valueAxis({ title, log = false }: Axis, values: readonly number[]) {
  const positive = values.filter((value) => value > 0);
  if (!log || positive.length === 0) return { title, scale: { zero: true }, axis: { tickCount: 5 } };
  const [first, last] = [Math.floor(Math.log10(Math.min(...positive))), Math.ceil(Math.log10(Math.max(...positive)))];
  const steps = last - first > 2 ? [1] : [1, 2, 5];
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  return {
    title,
    scale: { type: 'log', nice: false, padding: 12 },
    axis: { values: ticks.flatMap((tick) => steps.map((step) => tick * step)), format: ',~f' },
  };
}

/** True where the values span so much that on a linear axis the small ones would be one point. */
export const spansDecades = (values: readonly number[]): boolean => {
  const positive = values.filter((value) => value > 0);
  return positive.length > 1 && Math.max(...positive) / Math.min(...positive) > 12;
};
