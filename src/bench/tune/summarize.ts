import { formatDurationMs } from '../../core/format.ts';
import { median, medianInterval } from '../../core/stats.ts';
import type { TuneRun, TuneTrialRecord } from '../../store/tune-table.ts';
import { comparePairs, pairsOf } from './compare.ts';
import { eliminatedAfter, nextStep, type Progress, planTune, type TunePlan, type TuneStep } from './next-step.ts';
import { type TuneSettings, writtenSettings } from './settings.ts';
import { type Arm, allArms, currentArm } from './space.ts';
import type { TrialRecord, TuneRunPlan, TuneStepRecord } from './steps.ts';

/** An interval of fewer pairs covers less than it says. */
const PAIRS_FULL = 5;

/** A run's search as it stands: what is known and what comes next. */
export type SearchState = { readonly plan: TunePlan; readonly progress: Progress; readonly step: TuneStep };

/** Works out the state of a search from its plan and everything measured so far. */
export function searchState(given: TuneRunPlan, steps: readonly TuneStepRecord[]): SearchState {
  const plan = planTune(allArms(given.space), currentArm(given.space), given);
  const trials = steps.flatMap((step) => (step.kind === 'trial' ? [step] : []));
  const progress: Progress = {
    trials: trials.map(({ arm, phase, tookMs, costMs, failure, flags }) => ({
      ...{ arm, phase, tookMs },
      cost: failure === undefined ? costMs : undefined,
      isDisturbed: flags.length > 0,
    })),
    caches: new Map(steps.flatMap((step) => (step.kind === 'verdict' ? [[step.cache, step.passed] as const] : []))),
  };
  return { plan, progress, step: nextStep(plan, progress) };
}

/** What the table of a run is made of. */
export type TuneReading = {
  readonly id: string;
  readonly model: string;
  readonly startedAt: string;
  readonly finishedAt: string | undefined;
  readonly plan: TuneRunPlan;
  readonly steps: readonly TuneStepRecord[];
  readonly warnings: readonly string[];
};

/** The table of a run as it stands. */
export function summarizeTune(reading: TuneReading): TuneRun {
  const { plan: given, steps } = reading;
  const state = searchState(given, steps);
  const { plan, step } = state;
  const best = step.kind === 'done' ? step.best : undefined;
  const current = samplesOf(steps, plan.current);
  const isCurrentOut = current.some(({ failure }) => failure !== undefined);
  const comparison =
    best === undefined || best.id === plan.current.id
      ? undefined
      : comparePairs(pairsOf(state.progress.trials, plan.current.id, best.id));
  // What was found to be no better is no winner: the settings in force are what to stay with.
  const isProven = best !== undefined && (best.id === plan.current.id || isCurrentOut || comparison?.isBetter === true);
  const winner = step.kind !== 'done' ? undefined : isProven ? best : isCurrentOut ? undefined : plan.current;
  const tried = [...new Set(steps.flatMap((one) => (one.kind === 'trial' ? [one.arm] : [])))];
  const trials = tried.flatMap((id) => {
    const arm = plan.arms.find((one) => one.id === id);
    return arm === undefined ? [] : [trialOf(reading, state, { arm, winner })];
  });
  const { memoryBytesMax, machine, runtimeVersion, sluiceVersion, objective } = given;
  return {
    ...{ id: reading.id, model: reading.model, startedAt: reading.startedAt, finishedAt: reading.finishedAt },
    complete: step.kind === 'done' && step.isComplete,
    ...{ objective, memoryBytesMax, machine, runtimeVersion, sluiceVersion, trials, comparison },
    caches: steps.flatMap((one) =>
      one.kind === 'verdict' ? [{ cache: one.cache, passed: one.passed, text: one.text }] : [],
    ),
    warnings: [...reading.warnings],
    conclusion: conclude(state, { trials, comparison }),
  };
}

const samplesOf = (steps: readonly TuneStepRecord[], arm: Arm): readonly TrialRecord[] =>
  steps.flatMap((step) => (step.kind === 'trial' && step.arm === arm.id ? [step] : []));

function trialOf(
  { plan: given, steps }: TuneReading,
  state: SearchState,
  { arm, winner }: { readonly arm: Arm; readonly winner: Arm | undefined },
): TuneTrialRecord {
  const samples = samplesOf(steps, arm);
  const usable = samples.filter(({ failure }) => failure === undefined);
  const costs = usable.flatMap(({ costMs }) => costMs ?? []);
  return {
    settings: writtenSettings(axisSettings(given, arm)),
    label: arm.id,
    isCurrent: arm.id === state.plan.current.id,
    figures: figuresOf(samples),
    interval: medianInterval(costs),
    n: usable.length,
    disturbed: usable.filter(({ flags }) => flags.length > 0).length,
    ...statusOf(state, { arm, winner, samples, steps }),
  };
}

/** All settings of the axes, those left as they are included. */
function axisSettings({ space }: TuneRunPlan, arm: Arm): TuneSettings {
  const keys = new Set(space.axes.flatMap(({ values }) => values.flatMap((value) => Object.keys(value))));
  const whole = { ...space.inForce, ...arm.settings };
  return Object.fromEntries(Object.entries(whole).filter(([key]) => keys.has(key)));
}

function figuresOf(samples: readonly TrialRecord[]): TuneTrialRecord['figures'] {
  const middle = (pick: (sample: TrialRecord) => number | undefined) =>
    median(samples.flatMap((one) => pick(one) ?? []));
  const largest = (pick: (sample: TrialRecord) => number | undefined) => {
    const values = samples.flatMap((one) => pick(one) ?? []);
    return values.length === 0 ? undefined : Math.max(...values);
  };
  const wallMs = middle((one) => one.wallMs);
  return {
    promptTps: middle((one) => one.promptTps),
    decodeTps: middle((one) => one.decodeTps),
    wallS: wallMs === undefined ? undefined : wallMs / 1000,
    ttftMs: middle((one) => one.ttftMs),
    loadMs: middle((one) => one.loadMs),
    peakRssBytes: largest((one) => one.peakBytes),
    pssBytes: largest((one) => one.pssBytes),
    objectiveMs: middle((one) => one.costMs),
  };
}

type Judged = {
  readonly arm: Arm;
  readonly winner: Arm | undefined;
  readonly samples: readonly TrialRecord[];
  readonly steps: readonly TuneStepRecord[];
};

function statusOf(
  { plan, progress, step }: SearchState,
  { arm, winner, samples, steps }: Judged,
): Pick<TuneTrialRecord, 'status' | 'round' | 'reason'> {
  const failed = samples.find(({ failure }) => failure !== undefined);
  if (failed !== undefined) return { status: failed.gaveUp ? 'eliminated' : 'infeasible', reason: failed.failure };
  const verdict = steps.find((one) => one.kind === 'verdict' && one.cache === arm.cacheToCheck && !one.passed);
  if (verdict?.kind === 'verdict')
    return { status: 'infeasible', reason: `quality with kv ${verdict.cache}: ${verdict.text}` };
  if (arm.id === winner?.id) return { status: 'winner' };
  const round = eliminatedAfter(plan, progress, arm);
  const isStarter = plan.starters.some(({ id }) => id === arm.id);
  if (isStarter && round !== undefined) return { status: 'eliminated', round };
  if (step.kind !== 'done') return { status: 'open' };
  // One look was enough to see that a neighbour of the best is no better.
  return isStarter || samples.length > 1 ? { status: 'kept' } : { status: 'eliminated' };
}

function conclude(
  { plan, progress, step }: SearchState,
  { trials, comparison }: Pick<TuneRun, 'trials' | 'comparison'>,
): string {
  if (step.kind !== 'done') return 'not finished: --resume goes on with it';
  const early = step.isComplete ? '' : `; the budget of ${formatDurationMs(plan.budgetMs ?? 0)} ended the search early`;
  if (step.best === undefined) {
    const reason = trials.find((trial) => trial.reason !== undefined)?.reason ?? 'nothing was measured';
    return `no settings could be used; the first reason: ${reason}${early}`;
  }
  const current = trials.find(({ isCurrent }) => isCurrent);
  if (current?.status === 'infeasible')
    return `the settings in force cannot be used: ${current.reason}; ${step.best.id} can${early}`;
  if (step.best.id === plan.current.id) return `the settings in force are the best of ${trials.length} tried${early}`;
  if (comparison === undefined) {
    const hasPairs = progress.trials.some(({ phase }) => phase === 'confirming');
    const why = hasPairs ? 'the comparison has too few pairs' : 'they were not compared';
    return `${step.best.id} looks better than the settings in force, but ${why}${early}`;
  }
  const { gain, low, high, n, isBetter } = comparison;
  const figures = `${percent(gain)} [${percent(low)} to ${percent(high)}], ${n} pairs${n < PAIRS_FULL ? ', provisional' : ''}`;
  if (isBetter) return `${step.best.id} is better than the settings in force by ${figures}${early}`;
  return `nothing is better than the settings in force within noise; the best found: ${step.best.id}, ${figures}${early}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
