import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type BenchOutcome, benchModels } from '../bench/bench-models.ts';
import { type BenchOptions, REPETITIONS_DEFAULT, REPETITIONS_QUICK } from '../bench/bench-options.ts';
import { compareRuns, findRun } from '../bench/compare-runs.ts';
import { readMachine } from '../bench/fingerprint.ts';
import { importBench } from '../bench/import-bench.ts';
import { resultJsonSchema } from '../bench/result.ts';
import { findOpenRun } from '../bench/run-plan.ts';
import { writeResultFile } from '../bench/save-bench.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import { packageVersion } from '../core/package-root.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import { loadPolicy } from '../policy/load.ts';
import { openStore } from '../store/open-store.ts';
import { comparisonText } from './bench-compare.ts';
import { benchTable } from './bench-table.ts';
import { importPerplexityFile } from './import-perplexity.ts';
import { measuring, parseSettle, parseTime } from './measuring.ts';

type CommandOptions = {
  readonly policy: string;
  readonly data: string;
  readonly repetitions?: number;
  readonly quick?: true;
  readonly rawOnly?: true;
  readonly servedOnly?: true;
  readonly settle?: number;
  readonly json?: true;
  readonly out?: string;
  readonly import?: string;
  readonly importPerplexity?: string;
  readonly export?: string;
  readonly schema?: true;
  readonly resume?: true | string;
  readonly sustained?: number;
  readonly pairs?: true;
  readonly quality?: true;
  readonly coldLoads: boolean;
  readonly compare?: readonly string[];
};

/** Adds `sluice bench [model…]`. Ends with 1 when a model failed, could not run, or the run was interrupted. */
export function registerBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('measure models on this machine: the figures that requests are routed by')
    .argument('[model...]', 'models of the policy (id or alias); default: all of them')
    .option('--repetitions <n>', `samples per figure (default: ${REPETITIONS_DEFAULT})`, parseRepetitions)
    .option('--quick', `${REPETITIONS_QUICK} samples, shown as provisional`)
    .option('--raw-only', 'only llama-bench: no server, tokenizer or sampling')
    .option('--served-only', 'only through the server, as a client sees it')
    .option('--settle <time>', 'quiet time after a load, e.g. 5s or 0s (default: 5s)', parseSettle)
    .option('--no-cold-loads', 'leave out loads from storage, for which a model is dropped from the page cache')
    .option(
      '--sustained <time>',
      'afterwards generate on each model for so long, e.g. 10m, to see it throttle',
      parseTime,
    )
    .option('--pairs', 'afterwards measure models that may run at once while they do')
    .option(
      '--quality',
      'afterwards put the quality items to each model: right answers per task, answers that fall apart',
    )
    .option('--resume [id]', 'go on with a run that was broken off (default: the newest one)')
    .option('--json', 'print the result file instead of a table')
    .option('--out <dir>', "folder for the result file (default: bench-results beside the policy, else in --data's)")
    .option('--import <file>', 'take over a result file of another board of this kind instead of measuring')
    .option(
      '--import-perplexity <file>',
      'take over what llama-perplexity printed for one model (llama-perplexity … > FILE 2>&1)',
    )
    .option('--export <run>', 'write a stored run (id, the end of one, or latest) as a result file again')
    .option('--schema', 'print the JSON Schema of a result file')
    .option('--compare <runs...>', 'say of two runs (files, ids, latest) whether they compare, and what differs')
    .addHelpText(
      'after',
      '\nA gateway on the same --data must be stopped first: what runs beside it would be measured too.',
    )
    .action(async (models: string[], _: unknown, command: Command) => {
      const options: CommandOptions = command.optsWithGlobals();
      if (options.compare !== undefined) compare(options, [...options.compare, ...models]);
      else if (options.import !== undefined) importFile(options, options.import);
      else if (options.importPerplexity !== undefined) {
        const policy = await loadPolicy(options.policy);
        const chosen = chooseModels(policy, models).flatMap((id) => policy.models.get(id) ?? []);
        importPerplexityFile(options.importPerplexity, { policy, models: chosen }, options);
      } else if (options.export !== undefined) await exportRun(options, options.export);
      else if (options.schema) console.log(JSON.stringify(resultJsonSchema(), null, 2));
      else await bench(models, options);
    });
}

function parseRepetitions(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1_000) return count;
  throw new InvalidArgumentError('repetitions are a whole number from 1 to 1000.');
}

async function bench(names: readonly string[], options: CommandOptions): Promise<void> {
  if (options.rawOnly && options.servedOnly)
    throw new GatewayError('usage', '--raw-only and --served-only exclude each other');
  if (options.quick && options.repetitions !== undefined)
    throw new GatewayError('usage', '--quick and --repetitions exclude each other');
  const policy = withoutResidents(await loadPolicy(options.policy));
  const models = chooseModels(policy, names);
  if (options.resume !== undefined && names.length > 0)
    throw new GatewayError('usage', '--resume goes on with the models of its run and takes no others');
  await measuring(policy, options, async ({ machine, signal, progress }) => {
    await machine.supervisor.applyPolicy(policy);
    const id = options.resume === true ? undefined : options.resume;
    const resume = options.resume === undefined ? undefined : findOpenRun(machine.store, policy, id);
    const outcome = await benchModels({
      policy,
      models,
      target: machine.supervisor,
      store: machine.store,
      clock: systemClock,
      signal,
      sluiceVersion: packageVersion(),
      directory: resultDirectory(policy, options),
      ...whatToMeasure(options),
      ...(resume === undefined ? {} : { resume }),
      onProgress: (step) => progress.show(step),
    });
    progress.clear();
    report(outcome, options);
  });
}

type Measured = 'repetitions' | 'settleMs' | 'sides' | 'coldLoads' | 'sustainedMs' | 'pairs' | 'quality';

function whatToMeasure(options: CommandOptions): Pick<BenchOptions, Measured> {
  return {
    repetitions: options.quick ? REPETITIONS_QUICK : options.repetitions,
    settleMs: options.settle,
    sides: options.rawOnly ? 'raw' : options.servedOnly ? 'served' : 'both',
    coldLoads: options.coldLoads,
    sustainedMs: options.sustained,
    pairs: options.pairs,
    quality: options.quality,
  };
}

/** While measuring only the measured model may be loaded, and it stays until told otherwise. */
function withoutResidents(policy: Policy): Policy {
  const stay = { kind: 'idle', idleMs: 24 * 3_600_000 } as const;
  const models = new Map([...policy.models].map(([id, model]) => [id, { ...model, keep: stay }] as const));
  return { ...policy, models };
}

function chooseModels(policy: Policy, names: readonly string[]): readonly ModelId[] {
  const models = [...policy.models.values()];
  if (names.length === 0) return models.map((model) => model.id);
  const chosen = names.map((name): ModelPolicy => {
    const model = models.find((one) => one.id === name || one.aliases.includes(name));
    if (model !== undefined) return model;
    const known = models.map((one) => one.id).join(', ');
    throw new GatewayError('usage', `the policy has no model "${name}"; it has ${known}`);
  });
  return [...new Set(chosen.map((model) => model.id))];
}

function resultDirectory(policy: Policy, options: CommandOptions): string {
  if (options.out !== undefined) return resolve(options.out);
  const beside = join(dirname(policy.file), 'bench-results');
  return existsSync(beside) ? beside : resolve(options.data, 'bench-results');
}

function report({ document, file }: BenchOutcome, options: CommandOptions): void {
  console.log(options.json ? JSON.stringify(document, null, 2) : benchTable(document));
  console.error(file === undefined ? '\nnothing could be measured: no result file' : `\nresults: ${file}`);
  if (document.models.some((model) => model.outcome === 'failed' || model.outcome === 'aborted')) process.exitCode = 1;
  if (document.models.every((model) => model.outcome === 'unavailable')) process.exitCode = 1;
}

/** Needs no lock: SQLite keeps the two apart, and a running gateway picks the figures up by itself. */
function importFile(options: CommandOptions, file: string): void {
  const store = openStore(join(options.data, 'sluice.db'), { clock: systemClock });
  try {
    const { document, outcome } = importBench(file, { store, machine: readMachine() });
    if (options.json) console.log(JSON.stringify({ id: document.id, outcome }, null, 2));
    else if (outcome === 'known') console.log(`run ${document.id} is known here already; nothing changed`);
    else console.log(benchTable(document));
  } finally {
    store.close();
  }
}

/** Needs no lock either: it only reads, and so does `--compare`. */
async function exportRun(options: CommandOptions, word: string): Promise<void> {
  const store = openStore(join(options.data, 'sluice.db'), { clock: systemClock });
  try {
    const document = findRun(word, store);
    const directory =
      options.out === undefined ? resultDirectory(await loadPolicy(options.policy), options) : options.out;
    const file = writeResultFile(document, resolve(directory));
    console.log(options.json ? JSON.stringify({ id: document.id, file }, null, 2) : file);
  } finally {
    store.close();
  }
}

function compare(options: CommandOptions, words: readonly string[]): void {
  const [first, second, ...rest] = words;
  if (first === undefined || second === undefined || rest.length > 0)
    throw new GatewayError('usage', '--compare takes two runs: result files, ids, or latest');
  const store = openStore(join(options.data, 'sluice.db'), { clock: systemClock });
  try {
    const comparison = compareRuns(findRun(first, store), findRun(second, store));
    console.log(options.json ? JSON.stringify(comparison, null, 2) : comparisonText(comparison));
    if (!comparison.comparable) process.exitCode = 1;
  } finally {
    store.close();
  }
}
