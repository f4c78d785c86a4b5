import { parseLogLine } from '../../runtimes/rkllm/files/parse-log.ts';
import type { Machine, MachineState } from '../../src/bench/result.ts';
import type { MachineCheck } from './machine.ts';
import type { DayEntry } from './model-day.ts';
import type { ProbeOutcome } from './probe-types.ts';

/** Everything a board day found. */
export type DayReport = {
  readonly at: string;
  readonly sluice: string;
  readonly simulated: boolean;
  readonly machine: Machine;
  readonly state: MachineState;
  readonly checks: readonly MachineCheck[];
  readonly entries: readonly DayEntry[];
  /** Lines of the library that the gateway does not know; worth teaching it. */
  readonly unknownLines: readonly string[];
};

/** Lines with the library's own prefix that tell the parser nothing, each once. */
export function unknownLines(entries: readonly DayEntry[]): readonly string[] {
  const lines = entries.flatMap(({ outcome }) => outcome.log);
  const ours = lines.filter((line) => /\b(rkllm|rknn)\s*:/i.test(line) && parseLogLine(line) === undefined);
  return [...new Set(ours)];
}

/** True where nothing is missing and no probe failed, crashed or hung in a way that is no answer. */
export const isGood = (report: DayReport): boolean =>
  report.checks.every(({ status }) => status !== 'missing') &&
  report.entries.length > 0 &&
  report.entries.every(({ check, outcome }) => ANSWERED_BY_DYING.has(check) || passes(outcome));

// Dying or hanging is what these ask about.
const ANSWERED_BY_DYING = new Set(['callback-thread', 'stack-128k', 'stack-1m', 'destroy-running', 'second-process']);

const passes = (outcome: ProbeOutcome): boolean => outcome.kind === 'done' && outcome.finding.verdict !== 'fail';

/** One word for an outcome. */
export function wordFor(outcome: ProbeOutcome): string {
  return outcome.kind === 'done' ? outcome.finding.verdict : outcome.kind;
}

/** What an outcome says, in one line. */
export function detailOf(outcome: ProbeOutcome): string {
  switch (outcome.kind) {
    case 'done':
      return Object.entries(outcome.finding.values)
        .map(([key, value]) => `${key} ${typeof value === 'string' ? JSON.stringify(value) : value}`)
        .join(', ');
    case 'failed':
      return outcome.message;
    case 'crashed':
      return outcome.how;
    case 'hung':
      return `no answer after ${Math.round(outcome.afterMs / 1000)} s`;
  }
}

/** The report for people. */
export function renderReport(report: DayReport): string {
  const lines = [
    `# Board day, ${report.at}`,
    '',
    ...(report.simulated
      ? ['**SIMULATED: a rehearsal against the simulator. It says nothing about hardware.**', '']
      : []),
    `Sluice ${report.sluice} on ${report.machine.model ?? 'an unnamed machine'}, kernel ${report.machine.kernel ?? '?'}.`,
    '',
    '| looked at | | found | what helps |',
    '|---|---|---|---|',
    ...report.checks.map(({ id, status, found, remedy }) => row([id, status, found, remedy ?? ''])),
    '',
    ...(report.entries.length === 0 ? ['Nothing was asked of the NPU: see what is missing above.', ''] : []),
    ...modelsOf(report).flatMap((model) => [
      `## ${model}`,
      '',
      '| check | outcome | question | values |',
      '|---|---|---|---|',
      ...report.entries
        .filter((entry) => entry.model === model)
        .map(({ check, question, outcome }) => row([check, wordFor(outcome), question, detailOf(outcome)])),
      '',
    ]),
    ...(report.unknownLines.length === 0
      ? []
      : ['## Lines of the library we do not know', '', '```', ...report.unknownLines, '```', '']),
  ];
  return lines.join('\n');
}

const modelsOf = ({ entries }: DayReport): readonly string[] => [...new Set(entries.map(({ model }) => model))];

// A cell ends at a bar, and a table at a line break.
const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')).join(' | ')} |`;
