import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';
import { examineHost } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { applyFix, type Fix, type FixOutcome, fixCommand, planFixes } from '../doctor/fixes.ts';
import type { Host } from '../doctor/host.ts';
import { runChecks } from '../doctor/run-checks.ts';
import { judgeLoad, watchLoad } from '../doctor/watch-load.ts';
import { parseDurationMs } from '../policy/units.ts';
import { doctorText } from './doctor-text.ts';
import { untilStopped } from './until-stopped.ts';

type DoctorOptions = {
  readonly policy: string;
  readonly data: string;
  readonly sysroot?: string;
  readonly json?: true;
  /** ms; true = {@link LOAD_MS}. */
  readonly load?: number | true;
  readonly fix?: true;
  readonly dryRun?: true;
  readonly yes?: true;
};

/** How long a load is watched unless another time is named. */
const LOAD_MS = 60_000;

const HELP = `
Exit code: 0 without errors, 1 with at least one. Every finding has an id that docs/troubleshooting.md explains.

--fix alone, or with --dry-run, lists what it would do; with --yes it does that. It sets governors to performance (until the
next boot, needs root) and makes the data folder, nothing else.

Example: sluice doctor --load 10m`;

/** Adds `sluice doctor`. Exit code 1 when something the policy asks for cannot work. */
export function registerDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look at this machine: what is wrong or could be better for its models, why, and what helps')
    .option('--json', 'print JSON: {"findings":[{"id","severity","title","measured","why","remedy"}]}')
    .option('--sysroot <dir>', "copy of another machine's files (/proc, /sys, /dev …); nothing is run or timed then")
    .option(
      '--load [duration]',
      'keep every core busy so long and watch clocks and temperatures: 60s where no other time is named (default: off)',
      asDuration,
    )
    .option('--fix', 'mend what can be mended safely; lists it only, unless --yes')
    .option('--dry-run', 'with --fix: only list')
    .option('--yes', 'with --fix: do it')
    .addHelpText('after', HELP)
    .action(async (_: unknown, command: Command) => {
      await doctor(command.optsWithGlobals());
    });
}

function asDuration(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

async function doctor(options: DoctorOptions): Promise<void> {
  checkOptions(options);
  const examination = {
    sysroot: resolve(options.sysroot ?? '/'),
    policyFile: options.policy,
    dataDir: options.data,
    clock: systemClock,
    environment: process.env,
  };
  const host = await examineHost(examination);
  const fixes = options.fix === true ? planFixes(host) : [];
  const outcomes = options.yes === true ? fixes.map((fix) => applyFix(fix, host.files.sysroot)) : [];
  // What was mended is no longer to be found.
  const seen = outcomes.length === 0 ? host : await examineHost(examination);
  const found = await runChecks(seen);
  const findings =
    options.load === undefined
      ? found
      : [...found, await underLoad(seen, options.load === true ? LOAD_MS : options.load)];
  if (options.json === true) console.log(JSON.stringify({ findings }, undefined, 2));
  else console.log(doctorText(findings, process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined));
  if (options.fix === true) reportFixes(fixes, outcomes, options.yes === true);
  const failed = outcomes.some(({ problem }) => problem !== undefined);
  if (failed || findings.some(({ severity }) => severity === 'error')) process.exitCode = 1;
}

function checkOptions({ sysroot, load, fix, dryRun, yes }: DoctorOptions): void {
  if (sysroot !== undefined && !existsSync(sysroot))
    throw new GatewayError('usage', `--sysroot ${sysroot}: there is no such folder`);
  if (sysroot !== undefined && load !== undefined)
    throw new GatewayError('usage', '--load heats this machine, not the one that was copied: leave --sysroot out');
  if (fix !== true && (dryRun === true || yes === true))
    throw new GatewayError('usage', '--dry-run and --yes belong to --fix');
  if (dryRun === true && yes === true) throw new GatewayError('usage', '--dry-run and --yes exclude each other');
}

async function underLoad(host: Host, durationMs: number): Promise<Finding> {
  const stop = new AbortController();
  // Ctrl-C ends the load and not the report: what was seen until then is worth reading.
  void untilStopped().then(() => stop.abort());
  const cores = availableParallelism();
  console.error(`load: ${cores} busy cores for ${formatDurationMs(durationMs)}; Ctrl-C ends it`);
  const { files, tools } = host;
  const samples = await watchLoad({ files, clock: tools.clock, durationMs, cores, signal: stop.signal });
  return judgeLoad(samples, { durationMs, cores });
}

/** On stderr, because stdout may be JSON. */
function reportFixes(fixes: readonly Fix[], outcomes: readonly FixOutcome[], done: boolean): void {
  if (fixes.length === 0) {
    console.error('fix: nothing that can be mended safely');
    return;
  }
  if (!done) {
    for (const fix of fixes) console.error(`fix: would do: ${fixCommand(fix)}`);
    console.error('fix: nothing was changed; add --yes to do it');
    return;
  }
  for (const { fix, problem } of outcomes)
    console.error(`fix: ${problem === undefined ? 'done' : `FAILED (${problem})`}: ${fixCommand(fix)}`);
}
