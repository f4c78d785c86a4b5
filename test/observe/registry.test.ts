import { describe, expect, it } from 'vitest';
import { createRegistry, prometheusText } from '../../src/observe/registry.ts';

describe('prometheusText', () => {
  it('writes counters and gauges with their labels, leaving out empty labels and families without series', () => {
    const registry = createRegistry();
    const asked = registry.counter({ name: 'asked_total', help: 'Questions.', labels: ['who', 'code'] });
    registry.counter({ name: 'never_total', help: 'Nothing.' });
    const heat = registry.gauge({ name: 'heat', help: 'A \\ and\na line.' });
    asked.of('a "b" \\c\nd', '').value += 2;
    asked.of('e', 'no').value += 1;
    heat.of().value = Number.POSITIVE_INFINITY;
    expect(prometheusText(registry)).toBe(
      [
        '# HELP asked_total Questions.',
        '# TYPE asked_total counter',
        'asked_total{who="a \\"b\\" \\\\c\\nd"} 2',
        'asked_total{who="e",code="no"} 1',
        '# HELP heat A \\\\ and\\na line.',
        '# TYPE heat gauge',
        'heat +Inf',
        '',
      ].join('\n'),
    );
  });

  it('counts up in the buckets of a histogram, bounds included', () => {
    const registry = createRegistry();
    const took = registry.histogram({ name: 'took', help: 'Time.', labels: ['model'], bounds: [0.5, 1] });
    for (const value of [0.5, 0.7, 1, 4]) took.of('a').observe(value);
    expect(prometheusText(registry).split('\n').slice(2)).toEqual([
      'took_bucket{model="a",le="0.5"} 1',
      'took_bucket{model="a",le="1"} 3',
      'took_bucket{model="a",le="+Inf"} 4',
      'took_sum{model="a"} 6.2',
      'took_count{model="a"} 4',
      '',
    ]);
  });

  it('forgets a family that is cleared', () => {
    const registry = createRegistry();
    const gauge = registry.gauge({ name: 'gone', help: 'Gone.', labels: ['model'] });
    gauge.of('a').value = 1;
    gauge.clear();
    expect(prometheusText(registry)).not.toContain('gone');
  });
});
