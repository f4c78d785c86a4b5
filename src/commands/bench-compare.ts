import type { MetricComparison, ModelComparison, RunComparison } from '../bench/compare-runs.ts';
import { formatTable } from './format-table.ts';

/** Two runs side by side for people: first whether they may be compared, then what differs, then the figures. */
export function comparisonText(comparison: RunComparison): string {
  const { a, b, models, onlyIn } = comparison;
  const verdict =
    models.length === 0
      ? 'no model was measured in both'
      : comparison.comparable
        ? 'comparable: nothing that changes speeds differs'
        : 'NOT comparable: what differs changes speeds';
  const lonely = [
    ...(onlyIn.a.length === 0 ? [] : [`only in A: ${onlyIn.a.join(', ')}`]),
    ...(onlyIn.b.length === 0 ? [] : [`only in B: ${onlyIn.b.join(', ')}`]),
  ];
  return [`A ${a}`, `B ${b}`, verdict, ...lonely, ...models.flatMap(modelText)].join('\n');
}

function modelText(model: ModelComparison): readonly string[] {
  const rows = model.metrics.map((metric) => [
    metric.promptTokens === undefined ? metric.metric : `${metric.metric} at ${Math.round(metric.promptTokens)}`,
    number(metric.a),
    number(metric.b),
    metric.unit,
    percent(metric),
    metric.apart ? 'intervals apart' : 'within noise',
  ]);
  return [
    '',
    `${model.model}: ${model.comparable ? 'comparable' : 'not comparable'}`,
    ...model.differences.map((line) => `  differs: ${line}`),
    ...model.notes.map((line) => `  note: ${line}`),
    ...formatTable(['metric', 'A', 'B', 'unit', 'change', ''], rows),
  ];
}

const number = (value: number): string => (value === 0 ? '0' : value.toPrecision(4));

function percent({ change }: MetricComparison): string {
  if (!Number.isFinite(change)) return 'from nothing';
  return `${change > 0 ? '+' : ''}${(change * 100).toFixed(1)} %`;
}
