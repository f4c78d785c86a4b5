import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ModelPolicy, Policy } from '../../core/policy.ts';
import type { Store } from '../../store/open-store.ts';
import type { TuneRun } from '../../store/tune-table.ts';
import type { BenchProgress } from '../bench-target.ts';
import { readMachineState, stateWarnings } from '../fingerprint.ts';
import type { TuneRunStart } from './begin-run.ts';
import { CHECK_STEPS, checkCache } from './check-cache.ts';
import { measureTrial, policyWith, type TrialRun, type TuneTarget } from './measure-trial.ts';
import { expectedTrials, type TuneStep } from './next-step.ts';
import { openTuneJournal, type TuneJournal } from './steps.ts';
import { type SearchState, searchState, summarizeTune } from './summarize.ts';

/** What to tune, with what. */
export type TuneOptions = {
  readonly policy: Policy;
  readonly model: ModelPolicy;
  /** The run to make, or to go on with. */
  readonly start: TuneRunStart;
  /** The supervisor; nothing else may use it meanwhile. */
  readonly target: TuneTarget;
  readonly store: Store;
  readonly clock: Clock;
  /** Ends the run; what was measured is kept, and the run can be resumed. */
  readonly signal: AbortSignal;
  readonly sysroot?: string;
  readonly onProgress: (progress: BenchProgress) => void;
};

/** Context of a model whose adapter cannot tell, as the shipped policy has it. */
const CONTEXT_DEFAULT = 2_048;

/**
 * Searches a model's settings for those that make the objective small, and compares the best with the settings in force.
 * Every sample and the table so far are on the disk before the next one begins; a run that was broken off goes on with
 * exactly what was left. Throws `model_unavailable` where the model cannot run at all, `usage` where its context is too
 * short for the objective, and what makes storing fail; an abort ends the run early without throwing.
 */
export async function runTune(options: TuneOptions): Promise<TuneRun> {
  const { policy, model, target, store, clock, signal, start } = options;
  await target.applyPolicy(policyWith(policy, model, {}));
  const contextTokens = usableContext(options);
  const plan = {
    ...start.plan,
    runtimeVersion: start.plan.runtimeVersion ?? target.views().get(model.id)?.runtimeVersion,
  };
  store.openTuneRun({ ...start.row, plan: JSON.stringify(plan) });
  const journal = openTuneJournal(store, start.row.id);
  const usesNpu = policy.runtimes.get(model.runtime)?.kind === 'rkllm';
  const stateNow = () => readMachineState(clock.nowMs(), options.sysroot);
  const startState = stateNow();
  const reading = () => {
    const warnings = stateWarnings(startState, stateNow(), { usesNpu });
    return { ...start.row, plan, steps: journal.all(), warnings };
  };
  const run: TrialRun = {
    ...{ policy, model, target, clock, signal, contextTokens },
    usesNpu,
    objective: plan.objective,
    settleMs: plan.settleMs,
    memoryBytesMax: plan.memoryBytesMax,
    sysroot: options.sysroot,
    text: () => journal.all().find((step) => step.kind === 'text'),
    learn: (text) => journal.add({ kind: 'text', ...text }),
  };
  for (;;) {
    const state = searchState(plan, journal.all());
    const { step } = state;
    if (step.kind === 'done' || signal.aborted) {
      const isDone = step.kind === 'done';
      const finishedAt = isDone ? new Date(clock.nowMs()).toISOString() : undefined;
      const table = summarizeTune({ ...reading(), finishedAt });
      store.saveTuneRun(table, isDone);
      return table;
    }
    try {
      await doStep({ run, journal, step, tell: (text) => tell(options, state, text) });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (!signal.aborted) store.saveTuneRun(summarizeTune({ ...reading(), finishedAt: undefined }), false);
  }
}

type Doing = {
  readonly run: TrialRun;
  readonly journal: TuneJournal;
  readonly step: Exclude<TuneStep, { kind: 'done' }>;
  readonly tell: (text: string) => void;
};

async function doStep({ run, journal, step, tell }: Doing): Promise<void> {
  if (step.kind === 'check') {
    const settings = step.arm.settings;
    const verdict = await checkCache({ ...run, journal, onStep: (text) => tell(text) }, step.cache, settings);
    journal.add({ kind: 'verdict', cache: step.cache, ...verdict });
    return;
  }
  tell(`${step.phase} ${step.round}: ${step.arm.id}`);
  const at = new Date(run.clock.nowMs()).toISOString();
  const outcome = await measureTrial(run, step.arm.settings, patienceMs(step, journal));
  journal.add({ kind: 'trial', arm: step.arm.id, phase: step.phase, at, ...outcome });
}

/** A neighbour so much slower than the best needs no exact figure; but no answer is given up within so many ms. */
const PATIENCE_TIMES = 5;
const PATIENCE_MS_MIN = 10_000;

/** How long to wait for an answer; without bound for the settings in force and in the comparison. */
function patienceMs({ arm, phase }: Extract<TuneStep, { kind: 'run' }>, journal: TuneJournal): number | undefined {
  if (phase === 'confirming' || Object.keys(arm.settings).length === 0) return undefined;
  const walls = journal
    .all()
    .flatMap((step) => (step.kind === 'trial' && step.failure === undefined ? (step.wallMs ?? []) : []));
  return walls.length === 0 ? undefined : Math.max(PATIENCE_MS_MIN, PATIENCE_TIMES * Math.min(...walls));
}

function usableContext({ target, model, start }: TuneOptions): number {
  const view = target.views().get(model.id);
  if (view === undefined || view.availability.kind === 'unavailable') {
    const why =
      view?.availability.kind === 'unavailable'
        ? `${view.availability.reason}; ${view.availability.remedy}`
        : 'nothing runs its kind';
    throw new GatewayError('model_unavailable', `${model.id} is unavailable: ${why}`);
  }
  const contextTokens = view.facts?.contextTokens ?? CONTEXT_DEFAULT;
  const { promptTokens, outputTokens, text } = start.plan.objective;
  const shortest = Math.min(
    contextTokens,
    ...start.plan.space.axes.flatMap(({ values }) => values.flatMap(({ context }) => context ?? [])),
  );
  if (promptTokens + outputTokens > shortest) {
    throw new GatewayError(
      'usage',
      `${text} takes ${promptTokens} prompt and ${outputTokens} output tokens, more than a context of ${shortest} holds: ask for fewer`,
    );
  }
  return contextTokens;
}

function tell({ model, onProgress }: TuneOptions, { plan, progress }: SearchState, text: string): void {
  const done = progress.trials.length;
  const total = Math.max(expectedTrials(plan), done + 1);
  const spentMs = progress.trials.reduce((sum, { tookMs }) => sum + tookMs, 0);
  const byPace = done === 0 ? undefined : (spentMs / done) * (total - done);
  const byBudget = plan.budgetMs === undefined ? undefined : Math.max(0, plan.budgetMs - spentMs);
  const etaMs = byPace === undefined ? byBudget : Math.min(byPace, byBudget ?? Number.POSITIVE_INFINITY);
  onProgress({ model: model.id, step: text, done, total, etaMs });
}

/** Questions one quality check of a KV cache asks, of a 16-bit cache and of the other one together. */
export const CHECK_QUESTIONS = 2 * CHECK_STEPS;
