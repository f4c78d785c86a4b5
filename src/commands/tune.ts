import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { SETTLE_MS_DEFAULT } from '../bench/bench-options.ts';
import { readMachine, readMachineState } from '../bench/fingerprint.ts';
import { checkSameModel, cpuClusters, findOpenTune, newTuneRun, type TuneRunStart } from '../bench/tune/begin-run.ts';
import { QUICK, THOROUGH } from '../bench/tune/next-step.ts';
import { parseObjective } from '../bench/tune/objective.ts';
import { runTune } from '../bench/tune/run-tune.ts';
import { cpuGroups } from '../bench/tune/space.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { modelId } from '../core/ids.ts';
import { packageVersion } from '../core/package-root.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import { loadPolicy } from '../policy/load.ts';
import { openStore, type Store } from '../store/open-store.ts';
import type { TuneRun } from '../store/tune-table.ts';
import { measuring } from './measuring.ts';
import { applyWinner, checkCanAsk, checkCanEdit } from './tune-apply.ts';
import { dryRun } from './tune-dry-run.ts';
import { addTuneOptions, narrowedAxes, SEARCH_OPTIONS, type TuneCommandOptions } from './tune-options.ts';
import { tuneList, tuneTable } from './tune-table.ts';

/** Adds `sluice tune <model>`. Ends with 1 when nothing could be used or the run was interrupted. */
export function registerTuneCommand(program: Command): void {
  const command = program
    .command('tune')
    .description("find a model's best launch settings on this machine, and write them into the policy if asked")
    .argument('[model]', 'model of the policy (id or alias)');
  addTuneOptions(command)
    .addHelpText(
      'after',
      `
A spread of settings is tried, the better ones again and again in turns, then the neighbours of the best. The best is
compared with the settings in force by new samples in pairs; only what is better beyond doubt is applied. A quantized KV
cache must not cost quality. A gateway on the same --data must be stopped first: what runs beside it would be measured too.`,
    )
    .action(async (name: string | undefined, _: unknown, self: Command) => {
      const options: TuneCommandOptions = self.optsWithGlobals();
      if (options.list) showList(options);
      else if (options.show !== undefined) await showRun(options, options.show);
      else await tune(name, options);
    });
}

async function tune(name: string | undefined, options: TuneCommandOptions): Promise<void> {
  if (options.apply && options.dryRun)
    throw new GatewayError('usage', '--dry-run measures nothing, so there is nothing to --apply');
  if (options.apply) checkCanAsk(options);
  const policy = await loadPolicy(options.policy);
  if (options.resume !== undefined) {
    await resume(policy, name, options);
    return;
  }
  const model = chooseModel(policy, name);
  const start = newTuneRun(requestOf(policy, model, options), systemClock);
  if (options.dryRun) {
    dryRun({ model, start, settings: options });
    return;
  }
  await run({ policy, options, start: () => ({ start, model }) });
}

async function resume(policy: Policy, name: string | undefined, options: TuneCommandOptions): Promise<void> {
  const given = (Object.keys(SEARCH_OPTIONS) as (keyof typeof SEARCH_OPTIONS)[]).find(
    (key) => options[key] !== undefined,
  );
  if (given !== undefined)
    throw new GatewayError(
      'usage',
      `--resume goes on with the run as it was begun: leave out ${SEARCH_OPTIONS[given]}`,
    );
  if (options.dryRun) throw new GatewayError('usage', '--resume and --dry-run exclude each other');
  const which =
    options.resume === true ? (name === undefined ? undefined : chooseModel(policy, name).id) : options.resume;
  // Found under the lock: another process may be going on with it.
  const start = (store: Store) => {
    const found = findOpenTune(store, which);
    return { start: found, model: checkSameModel(found, policy.models.get(modelId(found.row.model))) };
  };
  await run({ policy, options, start });
}

function requestOf(policy: Policy, model: ModelPolicy, options: TuneCommandOptions) {
  const groups = cpuGroups(cpuClusters(readMachine(), readMachineState(systemClock.nowMs())));
  return {
    model,
    kind: policy.runtimes.get(model.runtime)?.kind ?? '',
    objective: parseObjective(options.objective ?? 'e2e:interactive', policy.classes),
    narrowed: narrowedAxes(options, groups),
    memoryBytesMax: options.memory,
    budgetMs: options.budget,
    settleMs: options.settle ?? SETTLE_MS_DEFAULT,
    sluiceVersion: packageVersion(),
    ...(options.quick ? QUICK : THOROUGH),
  };
}

function chooseModel(policy: Policy, name: string | undefined): ModelPolicy {
  const models = [...policy.models.values()];
  const model = models.find((one) => one.id === name || (name !== undefined && one.aliases.includes(name)));
  if (model !== undefined) return model;
  const known = models.map((one) => one.id).join(', ');
  const what = name === undefined ? 'say which model to tune' : `the policy has no model "${name}"`;
  throw new GatewayError('usage', `${what}; it has ${known}`);
}

type Running = {
  readonly policy: Policy;
  readonly options: TuneCommandOptions;
  readonly start: (store: Store) => { readonly start: TuneRunStart; readonly model: ModelPolicy };
};

async function run({ policy, options, start: begin }: Running): Promise<void> {
  await measuring(policy, options, async ({ machine, signal, progress }) => {
    const { start, model } = begin(machine.store);
    if (options.apply) await checkCanEdit(options.policy, model.id);
    const table = await runTune({
      ...{ policy, model, start, signal },
      target: machine.supervisor,
      store: machine.store,
      clock: systemClock,
      onProgress: (step) => progress.show({ ...step, step: `#${step.done + 1} ${step.step}` }),
    });
    progress.clear();
    show(table, options);
    if (signal.aborted) return;
    if (!table.trials.some(({ status }) => status === 'winner')) process.exitCode = 1;
    else if (options.apply) await applyWinner(table, options);
  });
}

function show(table: TuneRun, options: TuneCommandOptions): void {
  console.log(options.json ? JSON.stringify(table, null, 2) : tuneTable(table));
}

function showList(options: TuneCommandOptions): void {
  const runs = readRuns(options);
  console.log(options.json ? JSON.stringify(runs, null, 2) : tuneList(runs));
}

async function showRun(options: TuneCommandOptions, which: string): Promise<void> {
  if (options.apply) checkCanAsk(options);
  const runs = readRuns(options);
  const found = which === 'latest' ? runs[0] : runs.find(({ id }) => id === which || id.endsWith(`-${which}`));
  if (found === undefined) {
    const known = runs.map(({ id }) => id).join(', ');
    throw new GatewayError('usage', `no tuning run is called ${which}; there are ${known === '' ? 'none' : known}`);
  }
  show(found, options);
  if (options.apply) await applyWinner(found, options);
}

/** Needs no lock: it only reads. */
function readRuns(options: TuneCommandOptions): readonly TuneRun[] {
  const file = join(options.data, 'sluice.db');
  if (!existsSync(file)) return [];
  const store = openStore(file, { clock: systemClock });
  try {
    return store.readTuneRuns();
  } finally {
    store.close();
  }
}
