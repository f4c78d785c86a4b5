import { escapeText } from '../plot/render.ts';
import { PLOT_CSS } from '../plot/theme.ts';
import { machineLines } from './markdown.ts';
import { type MissingPlot, machinePlots, type Plot } from './plots.ts';
import type { MachineReport, Report } from './report.ts';
import { REPORT_CSS } from './report-css.ts';
import { machineTables, sideBySideTable, type Table } from './tables.ts';

/**
 * A report as one HTML file: style and plots stand within, nothing is loaded and nothing is run (the policy in its head
 * forbids both). Light or dark by the reader's own setting; every plot has its numbers in a table below it.
 */
export async function htmlReport(report: Report): Promise<string> {
  const machines: string[] = [];
  for (const [index, machine] of report.machines.entries()) machines.push(await machineSection(machine, report, index));
  const side = sideBySideTable(report);
  const title = escapeText(report.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>
${PLOT_CSS}
${REPORT_CSS}
</style>
</head>
<body>
<header><h1>${title}</h1>${contents(report)}</header>
<main>
${side.rows.length === 0 ? '' : `<section aria-labelledby="side"><h2 id="side">Machines side by side</h2>${tableText(side, { isTitled: false })}</section>`}
${machines.join('\n')}
</main>
</body>
</html>
`;
}

function contents({ machines }: Report): string {
  if (machines.length < 2) return '';
  const items = machines.map(({ name }, index) => `<li><a href="#machine-${index}">${escapeText(name)}</a></li>`);
  return `<nav aria-label="Machines"><ul>${items.join('')}</ul></nav>`;
}

async function machineSection(machine: MachineReport, report: Report, index: number): Promise<string> {
  const plots = await machinePlots(machine, report);
  const [verdicts, ...others] = machineTables(machine, report);
  const id = `machine-${index}`;
  return `<section aria-labelledby="${id}">
<h2 id="${id}">${escapeText(machine.name)}</h2>
<ul class="facts">${machineLines(machine)
    .map((line) => `<li>${escapeText(line)}</li>`)
    .join('')}</ul>
${verdicts === undefined ? '<p>No figures.</p>' : tableText(verdicts)}
<div class="plots">
${plots.flatMap((plot) => ('missing' in plot ? [] : plotText(plot))).join('\n')}
</div>
${missingText(plots)}
${others.map((table) => tableText(table)).join('\n')}
</section>`;
}

function missingText(plots: readonly (Plot | MissingPlot)[]): string {
  const items = plots.flatMap((plot) =>
    'missing' in plot ? `<li>${escapeText(plot.title)}: ${escapeText(plot.missing)}</li>` : [],
  );
  return items.length === 0 ? '' : `<h3>Nothing to show yet</h3>\n<ul class="missing">${items.join('')}</ul>`;
}

function plotText(plot: Plot): string {
  return `<figure>
<h3>${escapeText(plot.title)}</h3>
${plot.svg}
<figcaption>${escapeText(plot.caption)}</figcaption>
<details><summary>Numbers</summary>${tableText(plot.table, { isTitled: false })}</details>
</figure>`;
}

/** A table in a frame that scrolls by itself where it is wider than the page, and can be reached by keyboard for that. */
function tableText({ title, header, rows, note }: Table, { isTitled = true } = {}): string {
  const columns = header.map((name, index) =>
    columnOf(
      name,
      rows.map((row) => row[index] ?? ''),
    ),
  );
  const head = columns.map(({ name, style }) => `<th scope="col"${style}>${escapeText(name)}</th>`).join('');
  const body = rows
    .map((row) => `<tr>${columns.map((column, index) => cellText(row[index] ?? '', column, index)).join('')}</tr>`)
    .join('\n');
  return `${isTitled ? `<h3>${escapeText(title)}</h3>` : ''}
<div class="table" role="region" aria-label="${escapeText(title)}" tabindex="0"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${body}
</tbody></table></div>${note === undefined ? '' : `\n<p class="note">${escapeText(note)}</p>`}`;
}

type Column = { readonly name: string; readonly style: string };

/** Figures stand to the right: a column of nothing but figures and gaps. */
function columnOf(name: string, cells: readonly string[]): Column {
  const isFigure = cells.some((cell) => FIGURE.test(cell)) && cells.every((cell) => cell === '-' || FIGURE.test(cell));
  return { name, style: isFigure ? ' class="figure"' : '' };
}

/** `2.48 [2.41, 2.55]`, `5.64 GB (24 %)`, `>= 3.8 s`, `2 min 10 s`. */
const FIGURE = /^(>= )?-?[\d.,]+( (ms|s|min|h|d|B|KB|MB|GB|°C|%))?( \d+ (s|min|h))?( \(\d+ %\)| \[.*\])?$/;

function cellText(cell: string, { name, style }: Column, index: number): string {
  if (index === 0) return `<th scope="row"${style}>${escapeText(cell)}</th>`;
  const verdict = name === 'verdict' ? VERDICT_CLASS[cell] : undefined;
  const text = escapeText(cell);
  return `<td${style}>${verdict === undefined ? text : `<span class="verdict ${verdict}">${text}</span>`}</td>`;
}

const VERDICT_CLASS: Readonly<Record<string, string>> = {
  excellent: 'good',
  comfortable: 'good',
  'best default': 'best',
  deliberate: 'fair',
  'batch only': 'poor',
  'not practical': 'bad',
};
