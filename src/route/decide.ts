import type { Candidate, Decision, Prediction, Workload } from '../core/decision.ts';
import { formatDurationMs } from '../core/format.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { exploredOf, rankDegraded, rankFeasible } from './choose.ts';
import { type Assessment, assess, describeTerms } from './filter.ts';
import { refuse } from './refuse.ts';

/** One transparent retry needs one more name; a second spare covers a model that went away meanwhile. */
const FALLBACKS_MAX = 3;
/** Better models that lost are named in the reason, but a header line must stay short. */
const NAMED_LOSERS_MAX = 2;

/**
 * Chooses the model for a workload. Pure: same workload, snapshot and policy, same decision.
 *
 *   assess every model → feasible ones ranked → the best
 *   none feasible, `when_none: degrade` → the least bad of those that could serve at all, marked degraded
 *   none feasible, `defer` or `reject`, or nobody could serve at all → refusal with a code
 *
 * A pinned model is the only candidate; it faces the hard obstacles but neither the quality floor nor the deadlines, and
 * a predicted miss marks it degraded. Its class's window still holds: the client's choice of a model does not open it.
 */
export function decide(workload: Workload, snapshot: Snapshot, policy: Policy): Decision {
  const circumstances = circumstancesOf(workload, snapshot, policy);
  const { prior: classPolicy, pinned } = circumstances;
  const { prefer } = classPolicy;
  const assessments: Assessment[] = [];
  for (const model of policy.models.values()) {
    if (!pinned || model.id === workload.pinnedModel) assessments.push(assess(model, circumstances));
  }
  const usable = assessments.filter(({ blocked }) => blocked === undefined);
  const feasible = usable.filter(({ meetsAll }) => meetsAll);
  if (feasible.length > 0) {
    const ranked = rankFeasible(feasible, prefer);
    const tried = mayExplore(ranked, prefer)
      ? exploredOf(ranked, workload.slo, { draw: workload.draw, share: policy.routing.explore })
      : undefined;
    const first = tried === undefined ? ranked : [tried, ...ranked.filter((assessment) => assessment !== tried)];
    const spares = classPolicy.whenNone === 'degrade' && feasible.length < usable.length;
    const order = spares ? [...first, ...rankDegraded(usable.filter(({ meetsAll }) => !meetsAll))] : first;
    return choice(order, assessments, { workload, prefer, degraded: false, insteadOf: tried && ranked[0]?.model.id });
  }
  if (usable.length > 0 && (pinned || classPolicy.whenNone === 'degrade')) {
    return choice(rankDegraded(usable), assessments, { workload, prefer, degraded: true, insteadOf: undefined });
  }
  return {
    kind: 'refused',
    candidates: assessments.map((assessment) => new Weighed(assessment, undefined)),
    refusal: refuse(assessments, circumstances),
  };
}

/**
 * The same choice without weighing the other models, where the class's `prefer` names one that can serve and meets every
 * target: it leads whoever else could. Undefined where it takes a whole {@link decide}. The reason names no losers;
 * candidates and fallbacks are worked out when somebody reads them.
 */
export function decidePreferred(workload: Workload, snapshot: Snapshot, policy: Policy): Decision | undefined {
  const { prefer } = policy.classes[workload.class];
  const model = prefer === undefined ? undefined : policy.models.get(prefer);
  if (model === undefined || workload.pinnedModel !== undefined) return undefined;
  const winner = assess(model, circumstancesOf(workload, snapshot, policy));
  if (winner.blocked !== undefined || !winner.meetsAll || winner.predicted === undefined) return undefined;
  const why = asciiLine(whyChosen(winner, [], { workload, prefer, degraded: false, insteadOf: undefined }));
  return new PreferredDecision(winner, why, () => decide(workload, snapshot, policy));
}

type ChosenDecision = Extract<Decision, { kind: 'chosen' }>;

class PreferredDecision implements ChosenDecision {
  readonly kind = 'chosen';
  readonly model: ModelId;
  readonly device: string;
  readonly predicted: Prediction;
  readonly alone: Candidate;
  readonly degraded = false;
  readonly explored = false;
  readonly reason: string;
  readonly #decideAll: () => Decision;
  #all: Decision | undefined;

  constructor(winner: Assessment, why: string, decideAll: () => Decision) {
    if (winner.predicted === undefined) throw new Error('a model was preferred without a prediction');
    this.model = winner.model.id;
    this.device = winner.device;
    this.predicted = winner.predicted;
    this.alone = new Weighed(winner, why);
    this.reason = asciiLine(`${winner.model.id}: ${why}`);
    this.#decideAll = decideAll;
  }

  get candidates(): readonly Candidate[] {
    this.#all ??= this.#decideAll();
    return this.#all.candidates;
  }

  get fallbacks(): readonly ModelId[] {
    this.#all ??= this.#decideAll();
    return this.#all.kind === 'chosen' ? this.#all.fallbacks : [];
  }
}

const circumstancesOf = (workload: Workload, snapshot: Snapshot, policy: Policy) => ({
  workload,
  snapshot,
  policy,
  prior: policy.classes[workload.class],
  outputs: new Map(),
  queues: new Map(),
  pinned: workload.pinnedModel !== undefined,
});

// The operator's word is not explored away.
const mayExplore = (ranked: readonly Assessment[], prefer: ModelId | undefined): boolean =>
  prefer === undefined || ranked[0]?.model.id !== prefer;

type Outcome = {
  readonly workload: Workload;
  readonly prefer: ModelId | undefined;
  readonly degraded: boolean;
  /** The best, where another was taken to keep its figures fresh. */
  readonly insteadOf: ModelId | undefined;
};

function choice(order: readonly Assessment[], all: readonly Assessment[], outcome: Outcome): Decision {
  const winner = order[0];
  if (winner?.predicted === undefined) {
    // `order` is never empty here and a usable model always has a prediction; the type does not know it.
    throw new Error('a decision was made without a candidate');
  }
  const why = asciiLine(outcome.degraded ? whyDegraded(winner, outcome) : whyChosen(winner, all, outcome));
  return {
    kind: 'chosen',
    model: winner.model.id,
    device: winner.device,
    predicted: winner.predicted,
    candidates: all.map((assessment) => new Weighed(assessment, assessment === winner ? why : undefined)),
    degraded: outcome.degraded,
    explored: outcome.insteadOf !== undefined,
    reason: asciiLine(`${winner.model.id}: ${why}`),
    fallbacks: order.slice(1, 1 + FALLBACKS_MAX).map(({ model }) => model.id),
  };
}

function whyChosen(winner: Assessment, all: readonly Assessment[], { workload, prefer, insteadOf }: Outcome): string {
  const parts = [describeMet(winner, workload)];
  if (workload.pinnedModel !== undefined) parts.push('asked for by name');
  else if (insteadOf !== undefined) parts.push(`explored in place of ${insteadOf}, both with time to spare`);
  else if (winner.model.id === prefer) parts.push('preferred');
  else parts.push(`best of those that meet the targets (quality ${winner.quality})`);
  const better = all
    .filter(({ quality, blocked, meetsAll }) => quality > winner.quality && (blocked !== undefined || !meetsAll))
    .sort((a, b) => a.quality - b.quality);
  for (const loser of better.slice(0, NAMED_LOSERS_MAX)) parts.push(`${loser.model.id} ${lossOf(loser)}`);
  return parts.join('; ');
}

function describeMet({ predicted }: Assessment, { slo }: Workload): string {
  if (predicted === undefined) return '';
  const e2e = formatDurationMs(predicted.e2eMs);
  const target = slo.e2eMs === undefined ? '' : ` <= ${formatDurationMs(slo.e2eMs)}`;
  return `e2e ${e2e}${target} (${describeTerms(predicted)})`;
}

function whyDegraded(winner: Assessment, { workload }: Outcome): string {
  const how =
    workload.pinnedModel === undefined ? `no model meets class ${workload.class}, least miss` : 'asked for by name';
  return `degraded: ${winner.misses.join('; ')}; ${how}`;
}

/** A candidate whose reason is put into words when somebody reads it; the figures behind it do not change any more. */
class Weighed implements Candidate {
  readonly model: ModelId;
  readonly device: string;
  readonly quality: number;
  readonly predicted: Prediction | undefined;
  readonly feasible: boolean;
  readonly utility: number | undefined;
  readonly #assessment: Assessment;
  readonly #whyWon: string | undefined;

  constructor(assessment: Assessment, whyWon: string | undefined) {
    this.model = assessment.model.id;
    this.device = assessment.device;
    this.quality = assessment.quality;
    this.predicted = assessment.predicted;
    this.feasible = assessment.blocked === undefined && assessment.meetsAll;
    this.utility = assessment.utility;
    this.#assessment = assessment;
    this.#whyWon = whyWon;
  }

  get reason(): string {
    return this.#whyWon ?? asciiLine(lossOf(this.#assessment));
  }

  toJSON(): Candidate {
    const { model, device, quality, predicted, feasible, utility, reason } = this;
    return { model, device, quality, predicted, feasible, utility, reason };
  }
}

// The chosen one was preferred or had the higher utility; a feasible loser lost to that and to nothing else.
function lossOf(loser: Assessment): string {
  const { blocked, meetsAll, predicted } = loser;
  if (blocked !== undefined) return blocked.reason;
  if (!meetsAll) return loser.misses.join('; ');
  return `feasible, e2e ${formatDurationMs(predicted?.e2eMs ?? Number.NaN)}; another ranked higher`;
}

// Reasons travel in a header: printable ASCII on one line. File names and operators' words may hold anything.
const asciiLine = (text: string): string => (/^[ -~]*$/.test(text) ? text : text.replace(/[^ -~]+/g, '?'));
