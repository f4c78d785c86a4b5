import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barPlot } from '../../src/plot/bar-plot.ts';
import { heatMap } from '../../src/plot/heat-map.ts';
import { intervalPlot } from '../../src/plot/interval-plot.ts';
import { linePlot } from '../../src/plot/line-plot.ts';
import { placeLabels } from '../../src/plot/place-labels.ts';
import { escapeText, spansDecades, valueAxis } from '../../src/plot/render.ts';
import { scatterPlot } from '../../src/plot/scatter-plot.ts';
import { textWidth } from '../../src/plot/text-width.ts';

const TEXT = { title: 'a < b', description: 'what "it" shows' };
const AXIS = { title: 'tok/s' };
const row = (label: string, value: number) => ({
  ...{ label, value, low: value * 0.9, high: value * 1.1, series: 'cpu' },
});
const point = (label: string, x: number, y: number) => ({
  ...{ label, x, y, low: undefined, high: undefined, series: 'cpu', isFront: true },
});

const plots: readonly (readonly [string, () => Promise<string>])[] = [
  ['interval', () => intervalPlot(TEXT, { rows: [row('one <b>', 2), row('two', 4)], axis: AXIS })],
  [
    'panels',
    () =>
      intervalPlot(
        { ...TEXT, standalone: true },
        {
          rows: [
            { ...row('one <b>', 2), panel: 'x' },
            { ...row('one <b>', 3), panel: 'y' },
          ],
          axis: AXIS,
        },
      ),
  ],
  [
    'line',
    () =>
      linePlot(TEXT, {
        points: Array.from({ length: 10 }, (_, index) => ({
          series: `one <b>${index}`,
          x: 1,
          y: 2,
          isMeasured: index > 4,
        })),
        ...{ x: AXIS, y: { title: 's', log: true } },
      }),
  ],
  [
    'bar',
    () =>
      barPlot(TEXT, {
        bars: [{ label: 'one <b>', value: 3, series: 'npu' }],
        ...{ axis: AXIS, limit: { value: 9, label: 'all' } },
      }),
  ],
  ['scatter', () => scatterPlot(TEXT, { points: [point('one <b>', 3, 0.5)], x: AXIS, y: { title: 'quality' } })],
  [
    'heat map',
    () =>
      heatMap(TEXT, {
        cells: [{ column: 'one <b>', row: '4', value: 10, text: '10 ms' }],
        ...{ columns: 'threads', rows: 'cpus' },
      }),
  ],
];

describe.each(plots)('a plot (%s)', (_, draw) => {
  it('is one element that loads and runs nothing', async () => {
    const svg = await draw();
    expect(svg).toMatch(/^<svg [^>]*role="img"/);
    expect(svg.trimEnd()).toMatch(/<\/svg>$/);
    expect(svg.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|url\(|<script|@import|href|NaN|undefined/,
    );
  });

  it('says first what it shows, and shows text as text', async () => {
    const svg = await draw();
    expect(svg).toContain('><title>a &lt; b</title><desc>what &quot;it&quot; shows</desc>');
    expect(svg).toContain('one &lt;b&gt;');
    expect(svg).not.toContain('<b>');
  });

  it('takes its colours from variables, so that a dark page has its own', async () => {
    const colours = [...(await draw()).matchAll(/(?:fill|stroke)="([^"]+)"/g)].map(([, colour]) => colour);
    const fixed = new Set(colours.filter((colour) => !/^(var\(--plot-|none|transparent)/.test(colour ?? '')));
    // The numbers of a heat map stand on its own colours.
    for (const colour of fixed) expect(colour).toMatch(/^(#000000|#ffffff|rgb\(.*\))$/);
    expect(colours.filter((colour) => colour?.startsWith('var(')).length).toBeGreaterThan(2);
  });

  it('is the same every time', async () => {
    expect(await draw()).toBe(await draw());
  });
});

describe('valueAxis', () => {
  it('has ticks at 1, 2 and 5, over many decades at powers of ten alone', () => {
    expect(valueAxis({ title: '', log: true }, [0.5, 9]).axis).toMatchObject({
      values: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].map((value) => expect.closeTo(value, 9)),
    });
    expect(valueAxis({ title: '', log: true }, [2, 5_000]).axis).toMatchObject({ values: [1, 10, 100, 1000, 10_000] });
  });

  it('is linear where there is nothing positive', () => {
    expect(valueAxis({ title: 'x', log: true }, [0])).toMatchObject({ scale: { zero: true } });
    expect(spansDecades([0, 3])).toBe(false);
    expect(spansDecades([1, 30])).toBe(true);
  });
});

describe('placeLabels', () => {
  const size = { width: 370, height: 280 };
  it('gives every name a place, and lets no two cover each other where there is room', () => {
    const points = [10, 40, 70, 100, 130].map((y) => ({ x: 180, y, label: 'qwen3.5-4b' }));
    const tops = placeLabels(points, size).map(({ dx, dy }, index) => `${dx} ${dy + points[index]!.y}`);
    expect(new Set(tops).size).toBe(points.length);
  });

  it('writes to the left at the right edge', () => {
    expect(placeLabels([{ x: 365, y: 100, label: 'qwen3.5-27b' }], size)).toEqual([
      { dx: -8, dy: -13, align: 'right' },
    ]);
  });

  it('ends for any points', () => {
    const any = fc.record({
      x: fc.integer({ min: -10, max: 400 }),
      y: fc.integer({ min: -10, max: 300 }),
      label: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 15 }), (points) => placeLabels(points, size).length === points.length),
    );
  });
});

describe('textWidth', () => {
  it('grows with the text and the size', () => {
    expect(textWidth('', 12)).toBe(0);
    expect(textWidth('ill', 12)).toBeLessThan(textWidth('mww', 12));
    expect(textWidth('abc', 24)).toBeCloseTo(2 * textWidth('abc', 12));
  });

  it('stays within a fifth of what a browser measures in DejaVu Sans at 12 px', () => {
    for (const [text, px] of [
      ['qwen3.5-4b', 71],
      ['qwen3-1.7b ctx 2048', 128],
      ['gemma-3-1b-it', 90],
    ] as const) {
      expect(Math.abs(textWidth(text, 12) / px - 1)).toBeLessThan(0.2);
    }
  });
});

describe('escapeText', () => {
  it('leaves nothing that could end an element or an attribute', () => {
    expect(escapeText('<b>&"')).toBe('&lt;b&gt;&amp;&quot;');
  });
});
