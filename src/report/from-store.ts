import { createMachineWatch } from '../bench/machine-watch.ts';
import { parseResult } from '../bench/read-result.ts';
import type { BenchModelResult, Machine } from '../bench/result.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { BenchRunRow } from '../store/bench-tables.ts';
import { modelKey } from '../store/model-key.ts';
import type { Store } from '../store/open-store.ts';
import { createProfiles } from '../store/profiles.ts';
import type { TuneRun } from '../store/tune-table.ts';
import { isSimulated, machineFacts, machineName, sustainedOf, ttftOf } from './from-result.ts';
import { isNpuModel } from './judge-snapshot.ts';
import { modelReports } from './model-report.ts';
import type { MachineReport, ModelSource, PairReport, TuneTable } from './report.ts';

/** Runs looked through for curves over prompt length and time; figures come from all of them. */
const RUNS_READ = 50;

/** What is read. */
export type StoreSources = {
  readonly store: Store;
  readonly clock: Clock;
  readonly policy: Policy;
  readonly machine: Machine;
  /** Names the database. */
  readonly source: string;
  readonly sysroot?: string | undefined;
};

/** What a data directory knows of the policy's models, as routing sees it: the best known figure of each. */
export function fromStore(sources: StoreSources): MachineReport {
  const { store, clock, policy, machine, source, sysroot } = sources;
  const profiles = createProfiles(store, clock);
  const watch = createMachineWatch({ store, clock, sysroot });
  try {
    const runs = store.benchRuns(RUNS_READ);
    const unreadable: string[] = [];
    const results = runs.flatMap((run) => readRun(run, unreadable));
    const models = [...policy.models.values()].filter(({ enabled }) => enabled);
    const memoryBytes = policy.machine.memoryBytes ?? machine.memoryBytes;
    const memoryBudgetBytes = memoryBytes === undefined ? undefined : memoryBytes - policy.machine.reserveBytes;
    const found = models.map((model): ModelSource => {
      const profile = profiles.profileOf(model);
      const runtime = policy.runtimes.get(model.runtime);
      const asked = { policy: model, kind: runtime?.kind ?? '', profile, runtimeVersion: undefined };
      return {
        model: model.id,
        device: runtime?.device ?? '',
        isNpu: isNpuModel(policy, model),
        mayChat: model.classes === undefined || model.classes.includes('interactive'),
        profile,
        qualityPrior: model.quality,
        ...curvesOf(model, results),
        simulated: runtime?.kind === 'simulated' || ownResults(model, results).some(isSimulated),
        stale: watch.staleOf(asked),
      };
    });
    return {
      name: machineName(machine),
      facts: machineFacts(machine),
      source,
      memoryBudgetBytes,
      models: modelReports(found, { policy, memoryBudgetBytes }),
      pairs: models.flatMap((model) => pairsOf(model, store)),
      tunes: newestOfEach(store.readTuneRuns()).map(tuneTable),
      notes: [
        ...(runs.length === 0 ? ['Nothing was measured here yet: figures are published or estimated.'] : []),
        ...unreadable,
      ],
    };
  } finally {
    watch.close();
    profiles.close();
  }
}

/** A damaged run costs its curves and is named; its figures stand in tables of their own. */
function readRun({ id, document }: BenchRunRow, unreadable: string[]): readonly BenchModelResult[] {
  try {
    return parseResult(document, `run ${id}`).models;
  } catch (error) {
    unreadable.push(`Of run ${id} only the figures are shown: ${messageOf(error).replaceAll('\n', '; ')}`);
    return [];
  }
}

function pairsOf(model: ModelPolicy, store: Store): readonly PairReport[] {
  const key = modelKey(model);
  return (key === undefined ? [] : store.coRuns(key)).map(
    ({ withModel, withDevice, prefillFactor, decodeFactor, n }) => ({
      ...{ model: model.id, withModel, withDevice, prefillFactor, decodeFactor, n },
    }),
  );
}

/** Of the newest runs that have them; results are newest first. */
function curvesOf(model: ModelPolicy, results: readonly BenchModelResult[]): Pick<ModelSource, 'ttft' | 'sustained'> {
  const own = ownResults(model, results);
  const first = <Point>(points: (result: BenchModelResult) => readonly Point[]): readonly Point[] =>
    own.map(points).find((found) => found.length > 0) ?? [];
  return { ttft: first(ttftOf), sustained: first(sustainedOf) };
}

function newestOfEach(runs: readonly TuneRun[]): readonly TuneRun[] {
  const seen = new Set<string>();
  return runs.filter(({ model, objective }) => {
    const name = `${model} ${objective.text}`;
    return !seen.has(name) && seen.add(name);
  });
}

function tuneTable(run: TuneRun): TuneTable {
  const axes = [...new Set(run.trials.flatMap(({ settings }) => Object.keys(settings)))];
  return {
    model: run.model,
    objective: run.objective.text,
    axes,
    trials: run.trials.map(({ settings, figures, status, reason, isCurrent }) => ({
      settings: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, shown(value)])),
      promptTps: figures.promptTps,
      decodeTps: figures.decodeTps,
      wallS: figures.wallS,
      ttftMs: figures.ttftMs,
      peakRssBytes: figures.peakRssBytes,
      objectiveMs: figures.objectiveMs,
      status: [status, isCurrent ? '(in force before)' : '', reason ?? ''].filter((part) => part !== '').join(' '),
    })),
    conclusion: run.conclusion,
  };
}

function ownResults(model: ModelPolicy, results: readonly BenchModelResult[]): readonly BenchModelResult[] {
  const key = modelKey(model);
  return key === undefined ? [] : results.filter((result) => result.modelKey === key);
}

const shown = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
