import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TuneRunStart } from '../bench/tune/begin-run.ts';
import { expectedTrials } from '../bench/tune/next-step.ts';
import { describeObjective } from '../bench/tune/objective.ts';
import { CHECK_QUESTIONS } from '../bench/tune/run-tune.ts';
import { describeAxis } from '../bench/tune/settings.ts';
import { searchState } from '../bench/tune/summarize.ts';
import { systemClock } from '../core/clock.ts';
import { formatDurationMs } from '../core/format.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { type Profile, type Provenance, provenanceRank } from '../core/profile.ts';
import { openStore } from '../store/open-store.ts';
import { createProfiles } from '../store/profiles.ts';

/** A run that is only to be looked at. */
export type DryRun = {
  readonly model: ModelPolicy;
  readonly start: TuneRunStart;
  readonly settings: { readonly data: string; readonly json?: true };
};

/** Prints what a run would search, how many trials it expects and how long they would take by the model's figures. */
export function dryRun({ model, start: { plan: given }, settings }: DryRun): void {
  const { plan } = searchState(given, []);
  const trials = expectedTrials(plan);
  const profile = readProfile(model, settings.data);
  const trialMs = predictTrialMs(profile, given);
  const provenance = leastTrusted(profile);
  const byFigures = trialMs === undefined ? undefined : trials * trialMs;
  const predictedMs = byFigures === undefined ? given.budgetMs : Math.min(byFigures, given.budgetMs ?? byFigures);
  const axes = given.space.axes.map(({ name, values }) => ({
    axis: name,
    values: values.map((value) => describeAxis(name, { ...given.space.inForce, ...value })),
  }));
  const hasChecks = plan.arms.some(({ cacheToCheck }) => cacheToCheck !== undefined);
  if (settings.json) {
    const summary = { model: model.id, objective: given.objective, inForce: plan.current.id, axes };
    console.log(
      JSON.stringify({ ...summary, combinations: plan.arms.length, trials, trialMs, predictedMs, provenance }, null, 2),
    );
    return;
  }
  const time =
    predictedMs === undefined ? 'unknown until something is measured' : `about ${formatDurationMs(predictedMs)}`;
  const lines = [
    `${model.id}: ${describeObjective(given.objective)}`,
    `in force: ${plan.current.id}`,
    ...axes.map(({ axis, values }) => `${axis}: ${values.join(', ')}`),
    `${plan.arms.length} combinations, of which about ${trials} trials are made`,
    `time: ${time}${trialMs === undefined ? '' : ` (${formatDurationMs(trialMs)} each by figures that are ${provenance})`}`,
    ...(hasChecks ? [`and ${CHECK_QUESTIONS} questions if the best has a quantized KV cache`] : []),
  ];
  console.log(lines.join('\n'));
}

function leastTrusted({ prefillTokensPerSec, decodeTokensPerSec }: Profile): Provenance | undefined {
  const known = [prefillTokensPerSec, decodeTokensPerSec].flatMap((figure) => figure?.provenance ?? []);
  return known.toSorted((a, b) => provenanceRank(b) - provenanceRank(a))[0];
}

/** Warming up reads and writes a few tokens; stopping a child takes about as long as that. */
const OVERHEAD_MS = 1_000;

/** A load, the settling time and the objective's request; undefined where the model's rates are not known. */
function predictTrialMs(profile: Profile, { objective, settleMs }: TuneRunStart['plan']): number | undefined {
  const { prefillTokensPerSec, decodeTokensPerSec, prefillFixedMs, loadMs } = profile;
  if (prefillTokensPerSec === undefined || decodeTokensPerSec === undefined) return undefined;
  const prefillMs = (prefillFixedMs?.value ?? 0) + (objective.promptTokens * 1000) / prefillTokensPerSec.value;
  const decodeMs = (objective.outputTokens * 1000) / decodeTokensPerSec.value;
  return (loadMs?.value ?? 0) + settleMs + prefillMs + decodeMs + OVERHEAD_MS;
}

function readProfile(model: ModelPolicy, dataDir: string): Profile {
  const file = join(dataDir, 'sluice.db');
  // Looking at a plan must not make a data directory.
  const store = openStore(existsSync(file) ? file : ':memory:', { clock: systemClock });
  const profiles = createProfiles(store, systemClock);
  try {
    return profiles.profileOf(model);
  } finally {
    profiles.close();
    store.close();
  }
}
