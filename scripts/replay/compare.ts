import { MODEL_CLASSES } from '../../src/core/classes.ts';
import type { ClassPolicy, Policy } from '../../src/core/policy.ts';
import { median, percentile } from '../../src/core/stats.ts';
import type { DayOutcome } from '../../src/simulate/simulate-day.ts';
import type { SimulatedRequest } from '../../src/simulate/workload.ts';
import type { Answered } from './send-trace.ts';

/** What was replayed. */
export type CompareOptions = {
  readonly requests: number;
  readonly speed: number;
  readonly load: number;
  readonly seed: number;
};

/** Both runs of the same requests. */
export type BothRuns = { readonly replayed: readonly Answered[]; readonly outcomes: readonly DayOutcome[] };

/** Largest difference of the share in time, points. */
const POINTS_MAX = 3;
/** In a class of fewer requests one of them is more than a point. */
const CLASS_N_MIN = 100;

/** Shares of requests in time in both runs, by class and over all, and how alike the runs are otherwise. */
export function compareOutcomes(
  policy: Policy,
  requests: readonly SimulatedRequest[],
  { replayed, outcomes }: BothRuns,
  options: CompareOptions,
) {
  const answers = new Map(replayed.map((answer) => [answer.index, answer]));
  const simulated = new Map(outcomes.map((outcome) => [outcome.request.index, outcome]));
  const pairs = requests.flatMap((request) => {
    const [answer, outcome] = [answers.get(request.index), simulated.get(request.index)];
    if (answer === undefined || outcome === undefined) return [];
    return [{ request, answer, outcome, met: isMet(answer, policy.classes[request.class]) }];
  });
  const attainment = (of: readonly (typeof pairs)[number][]) => {
    const replay = share(of.map(({ met }) => met));
    const simulation = share(of.map(({ outcome }) => outcome.met));
    return { n: of.length, replay, simulation, points: round((replay - simulation) * 100) };
  };
  const classes = Object.fromEntries(
    MODEL_CLASSES.map((name) => [name, pairs.filter(({ request }) => request.class === name)] as const)
      .filter(([, of]) => of.length > 0)
      .map(([name, of]) => [name, attainment(of)]),
  );
  const all = attainment(pairs);
  const judged = [all, ...Object.values(classes).filter(({ n }) => n >= CLASS_N_MIN)];
  const excess = pairs.filter(({ answer, outcome }) => answer.model === outcome.model && outcome.kind === 'finished');
  const late = replayed.map(({ lateMs }) => lateMs);
  return {
    kind: 'sluice-replay',
    ...options,
    agrees: pairs.length === requests.length && judged.every(({ points }) => Math.abs(points) <= POINTS_MAX),
    pointsMax: POINTS_MAX,
    attainment: { all, ...classes },
    sameModel: share(pairs.map(({ answer, outcome }) => answer.model === outcome.model)),
    sameTask: share(pairs.map(({ answer, request }) => answer.task === request.task)),
    models: {
      replay: counts(replayed.map(({ model }) => model)),
      simulation: counts(outcomes.map(({ model }) => model)),
    },
    statuses: counts(replayed.map(({ status }) => String(status))),
    // Both on the same model: what the gateway, HTTP and this machine add, and what a different queue gives or takes.
    e2eExcessMs: { median: round(median(excess.map(({ answer, outcome }) => answer.e2eMs - outcome.e2eMs)) ?? 0) },
    sentLateMs: { median: median(late), p99: percentile(late, 0.99) },
  };
}

function isMet({ status, ttftMs, e2eMs }: Answered, targets: ClassPolicy): boolean {
  if (status !== 200) return false;
  const inTime = (ms: number | undefined, target: number | undefined) =>
    target === undefined || (ms !== undefined && ms <= target);
  return inTime(ttftMs, targets.ttftMs) && inTime(e2eMs, targets.e2eMs);
}

const share = (values: readonly boolean[]): number =>
  values.length === 0 ? 0 : round(values.filter(Boolean).length / values.length, 4);

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

function counts(values: readonly (string | undefined)[]): Readonly<Record<string, number>> {
  const table: Record<string, number> = {};
  for (const value of values) table[value ?? 'none'] = (table[value ?? 'none'] ?? 0) + 1;
  return table;
}
