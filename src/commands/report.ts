import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { readMachine } from '../bench/fingerprint.ts';
import { readResultFile } from '../bench/read-result.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { loadPolicy } from '../policy/load.ts';
import { parsePolicy } from '../policy/parse.ts';
import { fromReference } from '../report/from-reference.ts';
import { fromResult } from '../report/from-result.ts';
import { fromStore } from '../report/from-store.ts';
import { machineLines, markdownReport } from '../report/markdown.ts';
import type { MachineReport, Report } from '../report/report.ts';
import { machineTables, sideBySideTable, type Table } from '../report/tables.ts';
import { openStore } from '../store/open-store.ts';
import { loadReference } from '../store/reference.ts';
import { formatTable } from './format-table.ts';

type ReportOptions = {
  readonly policy: string;
  readonly data: string;
  readonly reference?: true;
  readonly json?: true;
  readonly markdown?: true;
  readonly html?: string;
  readonly sysroot?: string;
};

/** Adds `sluice report [file…]`. */
export function registerReportCommand(program: Command): void {
  program
    .command('report')
    .description('show what was measured: tables, Markdown, or one HTML file with plots')
    .argument('[file...]', 'result files of sluice bench, several machines side by side (default: what --data knows)')
    .option('--reference', 'the published figures that come with Sluice, beside the rest')
    .option('--html <file>', 'write one HTML file with plots that needs no network and no script')
    .option('--markdown', 'print Markdown')
    .option('--json', 'print JSON')
    .option('--sysroot <dir>', "copy of another machine's /proc and /sys, for a data directory that came from there")
    .addHelpText(
      'after',
      '\nFiles or --reference leave the data directory out unless --data is given. Verdicts follow the rules of the policy.',
    )
    .action(async (files: string[], _: unknown, command: Command) => {
      const options: ReportOptions = command.optsWithGlobals();
      const isGiven = (name: string) => command.getOptionValueSourceWithGlobals(name) === 'cli';
      await report(files, options, { policy: isGiven('policy'), data: isGiven('data') });
    });
}

type Given = { readonly policy: boolean; readonly data: boolean };

async function report(files: readonly string[], options: ReportOptions, given: Given): Promise<void> {
  if (options.json && options.markdown) throw new GatewayError('usage', '--json and --markdown exclude each other');
  const policy = await policyOf(options.policy, given.policy);
  const wantsStore = given.data || (files.length === 0 && options.reference !== true);
  const machines = [
    ...(wantsStore ? [readStore(options, policy)] : []),
    ...files.map((file) => fromResult(readResultFile(file), file, policy)),
    ...(options.reference === true ? fromReference(loadReference(), policy) : []),
  ];
  const found: Report = { title: titleOf(machines), chat: policy.verdicts.chat, machines: withOwnNames(machines) };
  if (options.html !== undefined) await writeHtml(found, options.html);
  if (options.json) console.log(JSON.stringify(found, undefined, 2));
  else if (options.markdown) process.stdout.write(markdownReport(found));
  else if (options.html === undefined) console.log(reportText(found));
}

/** Result files can be read without a policy; what it would say of verdicts is then the default. */
async function policyOf(file: string, isGiven: boolean): Promise<Policy> {
  return isGiven || existsSync(file) ? loadPolicy(file) : parsePolicy('version: 1', '<defaults>');
}

function readStore({ data, sysroot }: ReportOptions, policy: Policy): MachineReport {
  const file = join(data, 'sluice.db');
  // A report must not leave a database where there was none.
  const store = openStore(existsSync(file) ? file : ':memory:', { clock: systemClock });
  try {
    return fromStore({ store, clock: systemClock, policy, machine: readMachine(sysroot), source: file, sysroot });
  } finally {
    store.close();
  }
}

const titleOf = (machines: readonly MachineReport[]): string =>
  `Models on ${machines.map(({ name }) => name).join(' and ')}`;

/** Two runs of one machine would look alike: the source tells them apart. */
function withOwnNames(machines: readonly MachineReport[]): readonly MachineReport[] {
  return machines.map((machine) => {
    const isAlone = machines.filter(({ name }) => name === machine.name).length === 1;
    return isAlone ? machine : { ...machine, name: `${machine.name} (${machine.source})` };
  });
}

async function writeHtml(found: Report, file: string): Promise<void> {
  // The plotting library is large; only this needs it.
  const { htmlReport } = await import('../report/html.ts');
  const text = await htmlReport(found);
  const path = resolve(file);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.part`, text);
    await rename(`${path}.part`, path);
  } catch (error) {
    throw new GatewayError('store_failed', `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  console.error(`report: ${path}`);
}

function reportText(found: Report): string {
  const side = sideBySideTable(found);
  return [
    ...(side.rows.length === 0 ? [] : [...tableLines(side), '']),
    ...found.machines.flatMap((machine) => [
      machine.name,
      ...machineLines(machine).map((line) => `  ${line}`),
      '',
      ...machineTables(machine, found).flatMap((table) => [...tableLines(table), '']),
    ]),
  ]
    .join('\n')
    .trimEnd();
}

const tableLines = ({ title, header, rows, note }: Table): readonly string[] => [
  `${title}:`,
  ...formatTable(header, rows),
  ...(note === undefined ? [] : [note]),
];
