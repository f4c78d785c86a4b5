import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A panel of the Grafana dashboard with what it asks Prometheus for. */
export type DashboardPanel = { readonly title: string; readonly expressions: readonly string[] };

/** The panels of the Grafana dashboard that show something; Grafana's own variables are given a value. */
export function dashboardPanels(): readonly DashboardPanel[] {
  const file = join(import.meta.dirname, '..', '..', 'docs', 'monitoring', 'grafana-dashboard.json');
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly panels: readonly { title: string; type: string; targets?: readonly { expr: string }[] }[];
  };
  return panels
    .filter(({ type }) => type !== 'row')
    .map(({ title, targets = [] }) => ({
      title,
      expressions: targets.map(({ expr }) =>
        expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*').replaceAll('$instance', '.*'),
      ),
    }));
}
