import { formatDurationMs } from '../core/format.ts';
import type { HeatCell } from '../plot/heat-map.ts';
import type { TuneTable } from './report.ts';

/** A tuning run as a grid over two of its settings. */
export type TuneGrid = { readonly columns: string; readonly rows: string; readonly cells: readonly HeatCell[] };

/**
 * The two settings a run tried most values of, and for each pair of values the best objective found with the others
 * free. Undefined where fewer than two settings were tried in more than one value.
 */
export function tuneGrid({ axes, trials }: TuneTable): TuneGrid | undefined {
  const timed = trials.filter(({ objectiveMs }) => objectiveMs !== undefined);
  const valuesOf = (axis: string) =>
    [...new Set(timed.flatMap(({ settings }) => settings[axis] ?? []))].toSorted(byNumber);
  const [columns, rows] = axes
    .map((axis) => ({ axis, values: valuesOf(axis) }))
    .filter(({ values }) => values.length > 1)
    .toSorted((a, b) => b.values.length - a.values.length);
  if (columns === undefined || rows === undefined) return undefined;
  const cells = rows.values.flatMap((row) =>
    columns.values.flatMap((column): readonly HeatCell[] => {
      const found = timed.filter(({ settings }) => settings[rows.axis] === row && settings[columns.axis] === column);
      const value = Math.min(...found.flatMap(({ objectiveMs }) => objectiveMs ?? []));
      return found.length === 0 ? [] : [{ column, row, value, text: formatDurationMs(value) }];
    }),
  );
  return { columns: columns.axis, rows: rows.axis, cells };
}

const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
