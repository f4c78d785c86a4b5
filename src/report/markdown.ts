import { formatBytes } from '../core/format.ts';
import type { MachineReport, Report } from './report.ts';
import { machineTables, sideBySideTable, type Table } from './tables.ts';

/** A report as Markdown: the tables, without plots. Ends with a line break. */
export function markdownReport(report: Report): string {
  const side = sideBySideTable(report);
  const parts = [
    `# ${report.title}`,
    ...(side.rows.length === 0 ? [] : [section(side)]),
    ...report.machines.map((machine) => machineText(machine, report)),
  ];
  return `${parts.join('\n\n')}\n`;
}

function machineText(machine: MachineReport, report: Report): string {
  return [
    `## ${escapeMarkdown(machine.name)}`,
    machineLines(machine)
      .map((line) => `- ${escapeMarkdown(line)}`)
      .join('\n'),
    ...machineTables(machine, report).map(section),
  ].join('\n\n');
}

/** What is said of a machine above its tables, a line each. */
export function machineLines({ facts, source, memoryBudgetBytes, notes }: MachineReport): readonly string[] {
  return [
    ...facts.map(([name, value]) => `${name}: ${value}`),
    `source: ${source}`,
    ...(memoryBudgetBytes === undefined ? [] : [`memory of all models together: ${formatBytes(memoryBudgetBytes)}`]),
    ...notes,
  ];
}

function section({ title, header, rows, note }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const table = [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
  return [`### ${escapeMarkdown(title)}`, table, ...(note === undefined ? [] : [escapeMarkdown(note)])].join('\n\n');
}

const escapeMarkdown = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll(/[<>*_`]/g, '\\$&')
    .replaceAll('\n', ' ');
