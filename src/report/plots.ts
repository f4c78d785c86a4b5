import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { Figure } from '../core/profile.ts';
import { barPlot } from '../plot/bar-plot.ts';
import { heatMap } from '../plot/heat-map.ts';
import { type IntervalRow, intervalPlot } from '../plot/interval-plot.ts';
import { type LinePoint, linePlot } from '../plot/line-plot.ts';
import { spansDecades } from '../plot/render.ts';
import { scatterPlot } from '../plot/scatter-plot.ts';
import { ttftMsOf } from './model-report.ts';
import { paretoFront } from './pareto-front.ts';
import type { MachineReport, ModelReport, Report } from './report.ts';
import { rate, type Table, threeDigits } from './tables.ts';
import { tuneGrid } from './tune-grid.ts';

/** A plot with what it shows as a table, for those who cannot see it or want the numbers. */
export type Plot = { readonly title: string; readonly caption: string; readonly svg: string; readonly table: Table };

/** A plot that there is nothing to show in, with what would give it something. */
export type MissingPlot = { readonly title: string; readonly missing: string };

/** The plots of one machine, in the order they are to be read in. */
export async function machinePlots(machine: MachineReport, report: Report): Promise<readonly (Plot | MissingPlot)[]> {
  const { models } = machine;
  return Promise.all([
    ratePlot(models, { metric: 'prefillTokensPerSec', title: 'Prefill by model', word: 'reads a prompt' }),
    ratePlot(models, { metric: 'decodeTokensPerSec', title: 'Decode by model', word: 'generates' }),
    ttftPlot(models),
    memoryPlot(machine),
    qualityPlot(models, report),
    ...sustainedPlots(models),
    ...tunePlots(machine),
  ]);
}

type RatePlot = {
  readonly metric: 'prefillTokensPerSec' | 'decodeTokensPerSec';
  readonly title: string;
  readonly word: string;
};

async function ratePlot(models: readonly ModelReport[], about: RatePlot): Promise<Plot | MissingPlot> {
  const { metric, title, word } = about;
  const known = models.flatMap((model) => {
    const figure = model.profile[metric];
    return figure === undefined ? [] : [{ model, figure }];
  });
  if (known.length === 0) return { title, missing: 'No model has this figure: sluice bench measures it.' };
  const rows = known.map(({ model, figure }) => intervalRow(model, figure));
  const caption = `How fast each model ${word}, tokens per second; more is better. Bars are 95 % intervals.`;
  const values = rows.map(({ value }) => value);
  const axis = { title: 'tok/s', log: spansDecades(values) };
  return {
    title,
    caption: `${caption}${axis.log ? ' The axis is logarithmic.' : ''}`,
    svg: await intervalPlot({ title, description: `${caption} ${extremes(rows)}` }, { rows, axis }),
    table: {
      title,
      header: ['model', 'device', 'tok/s', 'from', 'n'],
      rows: known.map(({ model, figure }) => [
        model.model,
        model.device,
        rate(figure),
        figure.provenance,
        figure.n > 0 ? String(figure.n) : '-',
      ]),
    },
  };
}

const intervalRow = ({ model, device }: ModelReport, { value, low, high }: Figure): IntervalRow => ({
  label: `${model} · ${threeDigits(value)}`,
  ...{ value, low, high },
  series: device,
});

function extremes(rows: readonly IntervalRow[]): string {
  const sorted = rows.toSorted((a, b) => b.value - a.value);
  const [most, least] = [sorted[0], sorted.at(-1)];
  return most === undefined || least === undefined || most === least
    ? ''
    : `Fastest ${most.label}, slowest ${least.label}.`;
}

/** Prompt lengths a curve is drawn at, tokens. */
const CURVE_TOKENS = [32, 64, 128, 256, 512, 1024, 2048] as const;

async function ttftPlot(models: readonly ModelReport[]): Promise<Plot | MissingPlot> {
  const title = 'Time to first token over prompt length';
  const known = models.filter(({ profile }) => profile.prefillTokensPerSec !== undefined);
  if (known.length === 0) return { title, missing: 'No model has a prefill rate: sluice bench measures it.' };
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
  const points = known.flatMap(({ model, profile, ttft }): readonly LinePoint[] => [
    ...CURVE_TOKENS.map((tokens) => ({
      ...{ series: model, x: tokens, y: seconds(ttftMsOf(profile, tokens)) ?? 0, isMeasured: false },
    })),
    ...ttft.map(({ promptTokens, value, low, high }) => ({
      ...{ series: model, x: promptTokens, y: value / 1000, low: seconds(low), high: seconds(high), isMeasured: true },
    })),
  ]);
  const hasMeasured = known.some(({ ttft }) => ttft.length > 0);
  const caption = `Loaded model, nothing of the prompt cached. Lines follow from the prefill rate${hasMeasured ? ', dots were measured' : '; single lengths were not measured'}. Both axes are logarithmic.`;
  const x = { title: 'prompt tokens', log: true };
  return {
    title,
    caption,
    svg: await linePlot(
      { title, description: caption },
      { points, x, y: { title: 'seconds', log: true }, height: 260 },
    ),
    table: {
      title,
      header: ['model', ...CURVE_TOKENS.map((tokens) => `${tokens} tokens`), 'measured'],
      rows: known.map(({ model, profile, ttft }) => [
        model,
        ...CURVE_TOKENS.map((tokens) => formatDurationMs(ttftMsOf(profile, tokens) ?? Number.NaN)),
        ttft.map(({ promptTokens, value }) => `${Math.round(promptTokens)}: ${formatDurationMs(value)}`).join(', ') ||
          '-',
      ]),
    },
  };
}

async function memoryPlot({ models, memoryBudgetBytes }: MachineReport): Promise<Plot | MissingPlot> {
  const title = 'Memory against the budget';
  const known = models.flatMap((model) => {
    const figure = model.profile.peakMemoryBytes;
    return figure === undefined ? [] : [{ model, figure }];
  });
  if (known.length === 0) return { title, missing: 'No model has a memory figure: sluice bench measures it.' };
  const bars = known.map(({ model, figure }) => ({
    label: `${model.model} · ${formatBytes(figure.value)}`,
    value: figure.value / 1e9,
    series: model.device,
  }));
  const budget = memoryBudgetBytes === undefined ? 'unknown' : formatBytes(memoryBudgetBytes);
  const limit =
    memoryBudgetBytes === undefined ? undefined : { value: memoryBudgetBytes / 1e9, label: `all together ${budget}` };
  const caption = `Peak memory of each model, GB; what all loaded models together may have is ${budget}.`;
  return {
    title,
    caption,
    svg: await barPlot({ title, description: caption }, { bars, axis: { title: 'GB' }, limit }),
    table: {
      title,
      header: ['model', 'peak memory', 'of the budget', 'from'],
      rows: known.map(({ model, figure }) => [
        model.model,
        formatBytes(figure.value),
        model.memoryShare === undefined ? '-' : `${(model.memoryShare * 100).toFixed(0)} %`,
        figure.provenance,
      ]),
    },
  };
}

async function qualityPlot(models: readonly ModelReport[], { chat }: Report): Promise<Plot | MissingPlot> {
  const title = 'Quality against latency';
  const known = models.flatMap(({ model, device, quality, chatMs, quarantined }) =>
    quality === undefined || chatMs === undefined || quarantined !== undefined
      ? []
      : [{ model, device, quality, latencyMs: chatMs }],
  );
  if (known.length === 0) {
    return {
      title,
      missing: 'No model has both: sluice bench --quality measures quality, the policy may say a prior.',
    };
  }
  const front = new Set(
    paretoFront(known.map(({ model, quality, latencyMs }) => ({ model, quality: quality.value, latencyMs }))).map(
      ({ model }) => model,
    ),
  );
  const points = known.map(({ model, device, quality, latencyMs }) => ({
    ...{ label: model, x: latencyMs / 1000, y: quality.value, low: quality.low, high: quality.high },
    ...{ series: device, isFront: front.has(model) },
  }));
  const priors = known.filter(({ quality }) => quality.isPrior).length;
  const basis =
    priors === 0 ? 'measured' : priors === known.length ? "the policy's priors" : "measured or the policy's priors";
  const caption = `A chat of ${chat.promptTokens} + ${chat.outputTokens} tokens; up and left is better. No model beats those on the dashed line in both. Qualities are ${basis}.`;
  return {
    title,
    caption,
    svg: await scatterPlot(
      { title, description: `${caption} On the line: ${[...front].join(', ')}.` },
      { points, x: { title: 'seconds for the chat', log: true }, y: { title: 'quality' } },
    ),
    table: {
      title,
      header: ['model', 'chat', 'quality', 'basis', 'on the line'],
      rows: known.map(({ model, latencyMs, quality }) => [
        model,
        formatDurationMs(latencyMs),
        quality.low === undefined || quality.high === undefined
          ? quality.value.toFixed(2)
          : `${quality.value.toFixed(2)} [${quality.low.toFixed(2)}, ${quality.high.toFixed(2)}]`,
        quality.isPrior ? 'prior' : 'measured',
        front.has(model) ? 'yes' : 'no',
      ]),
    },
  };
}

function sustainedPlots(models: readonly ModelReport[]): readonly (Promise<Plot> | MissingPlot)[] {
  const known = models.filter(({ sustained }) => sustained.length > 1);
  const title = 'Sustained speed and temperature';
  if (known.length === 0) return [{ title, missing: 'No sustained run: sluice bench --sustained 10m makes one.' }];
  const hasCelsius = known.some(({ sustained }) => sustained.some(({ celsius }) => celsius !== undefined));
  return [
    timePlot(known, {
      ...{ title: 'Sustained speed over time', axis: 'decode tok/s', value: (point) => point.decodeTokensPerSec },
      caption: 'Decode rate of each model that generates without a pause: where it bends, the machine throttles.',
    }),
    ...(hasCelsius
      ? [
          timePlot(known, {
            ...{ title: 'Temperature over the same time', axis: '°C, hottest zone', value: (point) => point.celsius },
            caption: 'Hottest thermal zone during the sustained runs.',
          }),
        ]
      : []),
  ];
}

type TimePlot = {
  readonly title: string;
  readonly axis: string;
  readonly caption: string;
  readonly value: (point: ModelReport['sustained'][number]) => number | undefined;
};

async function timePlot(models: readonly ModelReport[], about: TimePlot): Promise<Plot> {
  const { title, caption, axis, value } = about;
  const points = models.flatMap(({ model, sustained }) =>
    sustained.flatMap((point) => {
      const y = value(point);
      return y === undefined || y === 0 ? [] : [{ series: model, x: point.atMs / 60_000, y, isMeasured: false }];
    }),
  );
  return {
    title,
    caption,
    svg: await linePlot(
      { title, description: caption },
      { points, x: { title: 'minutes' }, y: { title: axis }, height: 200 },
    ),
    table: {
      title,
      header: ['model', 'minutes', axis],
      rows: points.map(({ series, x, y }) => [series, x.toFixed(1), threeDigits(y)]),
    },
  };
}

function tunePlots({ tunes }: MachineReport): readonly (Promise<Plot> | MissingPlot)[] {
  const grids = tunes.flatMap((tune) => {
    const grid = tuneGrid(tune);
    return grid === undefined ? [] : [{ tune, grid }];
  });
  if (grids.length === 0) {
    return [{ title: 'Tuning', missing: 'No tuning run with a grid of settings: sluice tune <model> makes one.' }];
  }
  return grids.map(async ({ tune, grid }) => {
    const title = `Tuning ${tune.model}`;
    const caption = `Objective ${tune.objective}, ms by ${grid.columns} and ${grid.rows}: the best that was found with the other settings free. Bright is better.`;
    return {
      title,
      caption,
      svg: await heatMap({ title, description: `${caption} ${tune.conclusion}` }, grid),
      table: {
        title,
        header: [grid.columns, grid.rows, 'ms'],
        rows: grid.cells.map(({ column, row, value }) => [column, row, threeDigits(value)]),
      },
    };
  });
}
