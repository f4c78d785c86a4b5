import { readFile, writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MODEL_CLASSES } from '../core/classes.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { intervalPlot } from '../plot/interval-plot.ts';
import { loadPolicy } from '../policy/load.ts';
import { boardPolicy, SLO_SETS, type SloSet, withSlo } from '../simulate/board-policy.ts';
import { compareRules, type OnDay, type RuleResult } from '../simulate/compare-rules.ts';
import { chooseRules } from '../simulate/rules/list.ts';
import type { WorkloadPlan } from '../simulate/workload.ts';
import { parseWorkload, referenceWorkload } from '../simulate/workload-file.ts';
import { formatTable } from './format-table.ts';

type SimulateOptions = {
  readonly policy: string;
  readonly workload?: string;
  readonly load: number;
  readonly slo?: SloSet;
  readonly seeds: number;
  readonly drift?: true;
  readonly wrongBench?: true;
  readonly policies?: string;
  readonly json?: true;
  readonly svg?: string;
};

/** Adds `simulate`: days of traffic on a simulated board, our routing against simpler ones. */
export function registerSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('simulate days of traffic on a board and compare this routing with simpler rules')
    .option('--workload <file>', 'YAML that describes the traffic; default: the day of the routing study')
    .option('--load <factor>', 'multiplies the requests per hour', positive, 1)
    .addOption(
      new Option('--slo <set>', 'end-to-end targets: tight (45 s, 240 s) or loose (90 s, 420 s)').choices(SLO_SETS),
    )
    .option('--seeds <count>', 'days to simulate, each rule meets the same ones', wholeNumber, 12)
    .option('--drift', 'the room warms up and a clock cap comes after six hours')
    .option('--wrong-bench', 'every benchmark figure is off by a factor between a half and two')
    .option('--policies <names>', 'rules to compare, separated by commas; "ablations": ours without one term each')
    .option('--json', 'print JSON')
    .option('--svg <file>', 'write the plot of the quality-weighted goodput')
    .addHelpText('after', HELP)
    .action(async (_: unknown, command: Command) => {
      const given = command.getOptionValueSourceWithGlobals('policy') === 'cli';
      await simulate(command.optsWithGlobals<SimulateOptions>(), given);
    });
}

const HELP = `
Without --policy the board is an RK3588 with 24 GB, whose models have the published reference speeds. With it, the board
has the models of that policy, and its classes' own targets unless --slo is given. Nothing is started or measured.

  qg        mean over all requests that somebody waits for: quality of the answer where all targets were met, else 0
  against   qg less that of "ours" on the same days, with its 95 % interval
  covered   share of answers within the predicted time, and the share that was promised

  sluice simulate --load 1.6 --slo loose
  sluice simulate --wrong-bench --drift --policies clairvoyant,ablations`;

function positive(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= 100)) throw new InvalidArgumentError('expected a number above 0, at most 100.');
  return number;
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!(Number.isInteger(number) && number >= 1 && number <= 1_000))
    throw new InvalidArgumentError('expected a whole number from 1 to 1000.');
  return number;
}

async function simulate(options: SimulateOptions, policyGiven: boolean): Promise<void> {
  const plan = await planOf(options.workload);
  const policy = await policyOf(options, policyGiven);
  const rules = chooseRules(options.policies?.split(',').map((name) => name.trim()) ?? [], policy, plan);
  const climate = options.drift === true ? 'drift' : 'steady';
  const wrongBench = options.wrongBench === true;
  const { load, seeds } = options;
  const results = await untilInterrupted((signal) =>
    compareRules(
      { policy, plan, load, seeds, climate, wrongBench, rules },
      { signal, onDay: progressOn(process.stderr) },
    ),
  );
  if (results === undefined) return;
  const targets = Object.fromEntries(
    MODEL_CLASSES.map((name) => [name, { ttftMs: policy.classes[name].ttftMs, e2eMs: policy.classes[name].e2eMs }]),
  );
  const conditions = { name: plan.name, load, seeds, climate, wrongBench, targets };
  if (options.svg !== undefined) await writeFile(options.svg, await plotOf(results, titleOf(conditions)));
  if (options.json === true) console.log(JSON.stringify({ workload: conditions, policies: results }, null, 2));
  else console.log([titleOf(conditions), '', ...tableOf(results)].join('\n'));
}

async function planOf(file: string | undefined): Promise<WorkloadPlan> {
  if (file === undefined) return referenceWorkload();
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new GatewayError('invalid_config', `cannot read the workload ${file}: ${messageOf(cause)}`, { cause });
  }
  return parseWorkload(text, file);
}

async function policyOf({ policy: file, slo }: SimulateOptions, given: boolean): Promise<Policy> {
  const policy = given ? await loadPolicy(file) : boardPolicy();
  return slo === undefined ? policy : withSlo(policy, slo);
}

// The first Ctrl-C ends the simulation between two events, with the shell's exit code for it.
async function untilInterrupted<Value>(work: (signal: AbortSignal) => Promise<Value>): Promise<Value | undefined> {
  const controller = new AbortController();
  const onSignal = () => controller.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    process.stderr.write('\nsluice: simulation interrupted\n');
    process.exitCode = 130;
    return undefined;
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
  }
}

function progressOn(stream: NodeJS.WriteStream): OnDay {
  return (rule, done, total) => {
    if (stream.isTTY) stream.write(done === total ? '\r\x1b[K' : `\r\x1b[K${rule}: day ${done} of ${total}`);
  };
}

type Conditions = {
  readonly name: string;
  readonly load: number;
  readonly seeds: number;
  readonly climate: string;
  readonly wrongBench: boolean;
};

const titleOf = ({ name, load, seeds, climate, wrongBench }: Conditions): string =>
  `workload ${name}, load ${load}, ${seeds} ${seeds === 1 ? 'day' : 'days'}, ${climate} climate, ${wrongBench ? 'wrong' : 'right'} benchmarks (simulated)`;

function tableOf(results: readonly RuleResult[]): string[] {
  const header = ['rule', 'qg', 'against ours', 'slo route', 'interactive', 'quality', 'batch q', 'covered', 'swaps'];
  return formatTable(header, results.map(rowOf));
}

function rowOf(result: RuleResult): string[] {
  const { policy, qg, against, slo, batchQuality, coverage, nominal, swaps } = result;
  const signed = (value: number) => (value >= 0 ? '+' : '') + value.toFixed(3);
  return [
    policy,
    qg.toFixed(3),
    against === undefined ? '-' : `${signed(against.mean)} [${signed(against.low)}, ${signed(against.high)}]`,
    share(slo.route),
    share(slo.interactive),
    share(slo.quality),
    share(batchQuality),
    policy.startsWith('ours') ? `${share(coverage)} of ${share(nominal)}` : '-',
    swaps.toFixed(0),
  ];
}

const share = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(2));

function plotOf(results: readonly RuleResult[], title: string): Promise<string> {
  const rows = results.map(({ policy, qg, qgInterval: [low, high] }) => ({
    label: policy,
    value: qg,
    low,
    high,
    series: policy === 'ours' ? 'ours' : 'other rules',
  }));
  const description = 'Quality-weighted goodput of every rule with its 95 % interval over days; more is better.';
  return intervalPlot(
    { title, description, standalone: true },
    { rows: rows.toSorted((a, b) => b.value - a.value), axis: { title: 'quality-weighted goodput' } },
  );
}
