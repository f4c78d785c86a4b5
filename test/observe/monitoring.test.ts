import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observe/metrics.ts';
import { dashboardPanels } from '../helpers/dashboard-panels.ts';
import { gatewayState } from '../helpers/gateway-state.ts';

// Dashboards, alerts and documentation speak of metrics that exist, with labels they have.

const docs = join(import.meta.dirname, '..', '..', 'docs');
const read = (file: string): string => readFileSync(join(docs, file), 'utf8');

const families = new Map(
  createMetrics(() => gatewayState())
    .families()
    .map((family) => [family.name, family]),
);
const bare = (name: string): string => (families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));

/** Metrics an expression speaks of, with the names in their braces. */
function metricsIn(expression: string): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  const found = expression.matchAll(/(?<![\w:])((?:sluice|gen_ai|process)_[a-z_]+)(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = '', selector = '']) => ({
    name,
    labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }));
}

/** Labels every series gets where it is read, and those of a histogram's lines. */
const ADDED = new Set(['job', 'instance', 'le']);

const panels = dashboardPanels();
const alerts = read('monitoring/sluice-alerts.yml')
  .split('\n')
  .filter((line) => line.trim().startsWith('expr:'));
const expressions = [
  ...panels.flatMap(({ title, expressions: own }) => own.map((text) => [title, text] as const)),
  ...alerts.map((text) => ['alert', text] as const),
];

describe('the dashboard and the alert rules', () => {
  it('are there', () => {
    expect(panels.length).toBeGreaterThan(20);
    expect(alerts.length).toBeGreaterThan(10);
  });

  it.each(expressions)('%s: speaks of metrics and labels that exist: %s', (_, expression) => {
    const used = metricsIn(expression).filter(({ name }) => !/^sluice:/.test(name));
    for (const { name, labels } of used) {
      const family = families.get(bare(name));
      expect(family, name).toBeDefined();
      expect(labels.filter((label) => !ADDED.has(label) && !family?.labels.includes(label))).toEqual([]);
    }
  });
});

describe('docs/operations.md', () => {
  const text = read('operations.md');
  it.each([...families.keys()].filter((name) => !name.startsWith('process_')))('names %s', (name) => {
    // Families of one row share the beginning of their names.
    const short = name.match(/_(preempted|looped)_total$/)?.[0] ?? name;
    const named = text.includes(`\`${name}\``) || text.includes(`\`${short}\``);
    expect(named || (name.startsWith('sluice_decode_') && text.includes('`sluice_decode_…`'))).toBe(true);
  });
});
