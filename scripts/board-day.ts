/**
 * Asks an NPU board everything that only hardware can answer, in one go, and writes a report. `--help` says how.
 *
 *   look at chip, driver, library, models → per model, each probe in a process of its own → report (.md and .json)
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readMachine, readMachineState } from '../src/bench/fingerprint.ts';
import { systemClock as clock } from '../src/core/clock.ts';
import { messageOf } from '../src/core/errors.ts';
import { packageRoot, packageVersion } from '../src/core/package-root.ts';
import { lookAtMachine, type MachineCheck } from './board-checks/machine.ts';
import { askModel, type DayEntry } from './board-checks/model-day.ts';
import { type DayReport, detailOf, isGood, renderReport, unknownLines, wordFor } from './board-checks/report.ts';

const HELP = `usage: scripts/board-day --model FILE.rkllm [--model FILE.rkllm] [flags]

Asks an NPU board everything that only hardware can answer and writes a report. Stop the gateway first: the
NPU takes one program at a time. Where the board, driver, library or models are missing, says so and exits 1.

  --model FILE     model to ask, more than once for several
  --library FILE   librkllmrt.so (default: the usual library folders)
  --out DIR        folder for board-day-<time>.md and .json (default: data/board-day)
  --limit SECONDS  time limit of one probe (default: twice the load deadline of the model)
  --sysroot DIR    read /sys, /proc and /dev from here (default: /)
  --rehearse       take the simulator for the library; the report then says SIMULATED
  --help           print this

exit codes: 0 asked, nothing bad found · 1 something is missing or bad · 2 usage
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) return 2;
  if (flags.help === true) {
    console.log(HELP);
    return 0;
  }
  const bench = await lookAtMachine({
    sysroot: flags.sysroot ?? '/',
    library: flags.library,
    models: flags.model ?? [],
    rehearse: flags.rehearse === true,
  });
  for (const check of bench.checks) console.error(checkLine(check));
  const isReady = bench.checks.every(({ status }) => status !== 'missing');
  const entries: DayEntry[] = [];
  for (const model of isReady ? bench.models : []) {
    if (bench.library === undefined) break;
    const onEntry = ({ check, outcome }: DayEntry) =>
      console.error(`${wordFor(outcome).padEnd(8)} ${check}: ${detailOf(outcome).slice(0, 160)}`);
    const limitMs = flags.limit === undefined ? undefined : Number(flags.limit) * 1000;
    entries.push(...(await askModel(model, bench.library, { limitMs, onEntry })));
  }
  const report = describeDay(flags.sysroot ?? '/', {
    checks: bench.checks,
    simulated: bench.library?.simulated ?? false,
    entries,
  });
  const file = await writeReport(report, flags.out ?? join(packageRoot(), 'data', 'board-day'));
  console.log(file);
  return isGood(report) ? 0 : 1;
}

function readFlags() {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      options: {
        model: { type: 'string', multiple: true },
        library: text,
        out: text,
        limit: text,
        sysroot: text,
        rehearse: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.limit === undefined || Number(values.limit) > 0) return values;
    console.error(`board-day: --limit takes a number of seconds above 0, not ${values.limit}`);
  } catch (error) {
    console.error(`board-day: ${messageOf(error)}; see --help`);
  }
  return undefined;
}

function checkLine({ id, status, found, remedy }: MachineCheck): string {
  return `${status.padEnd(8)} ${id}: ${found}${remedy === undefined ? '' : `\n         → ${remedy}`}`;
}

function describeDay(sysroot: string, found: Pick<DayReport, 'checks' | 'simulated' | 'entries'>): DayReport {
  const nowMs = clock.nowMs();
  return {
    at: new Date(nowMs).toISOString(),
    sluice: packageVersion(),
    machine: readMachine(sysroot),
    state: readMachineState(nowMs, sysroot),
    ...found,
    unknownLines: unknownLines(found.entries),
  };
}

async function writeReport(report: DayReport, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const stem = join(folder, `board-day-${report.at.replaceAll(/[:.]/g, '-')}`);
  await writeFile(`${stem}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${stem}.md`, renderReport(report));
  return `${stem}.md`;
}
