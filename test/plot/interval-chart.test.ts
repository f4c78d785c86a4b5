import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intervalChart } from '../../src/plot/interval-chart.ts';
import { escapeText, niceTicks } from '../../src/plot/svg.ts';

describe('niceTicks', () => {
  it('covers the span in four to eleven ascending steps', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        (from, span) => {
          const ticks = niceTicks(from, from + span);
          expect(ticks[0]).toBeLessThanOrEqual(from + span * 1e-6);
          expect(ticks.at(-1)).toBeGreaterThanOrEqual(from + span * (1 - 1e-6));
          expect(ticks.length).toBeGreaterThanOrEqual(4);
          expect(ticks.length).toBeLessThanOrEqual(11);
          expect(new Set(ticks).size).toBe(ticks.length);
        },
      ),
    );
  });
});

describe('intervalChart', () => {
  const chart = (label: string) =>
    intervalChart({
      title: 'a < b',
      axis: 'share',
      panels: [{ title: 'one', rows: [{ label, value: 0.5, low: 0.4, high: 0.6, marked: true }] }],
    });

  it('is one element that loads nothing', () => {
    const svg = chart('ours');
    expect(svg).toMatch(/^<svg [^>]*role="img"/);
    expect(svg.trimEnd()).toMatch(/<\/svg>$/);
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|<script|@import/);
  });

  it('shows text as text', () => {
    expect(chart('<b>&"')).toContain('&lt;b&gt;&amp;&quot;');
    expect(escapeText('a < b')).toBe('a &lt; b');
  });

  it('says the exact figures in words', () => {
    expect(chart('ours')).toContain('<title>ours: 0.5 (95 %: 0.4 to 0.6)</title>');
  });
});
