import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import { type MeanInterval, meanInterval } from '../core/stats.ts';
import type { Climate } from './heat.ts';
import { type DayFigures, mean, measureDay } from './measure-day.ts';
import type { NamedRule } from './rules/rule.ts';
import { simulateDay } from './simulate-day.ts';
import { generateRequests, type SimulatedRequest, type WorkloadPlan } from './workload.ts';
import { createWorld, profileOf, type World } from './world.ts';

/** What is simulated: every rule on the same days. */
export type Comparison = {
  readonly policy: Policy;
  readonly plan: WorkloadPlan;
  /** Multiplies the online rates. */
  readonly load: number;
  /** Days: one per seed, 1 to this. */
  readonly seeds: number;
  readonly climate: Climate;
  /** Benchmarks off by a half to two, each model and term by a factor of its own. */
  readonly wrongBench: boolean;
  readonly rules: readonly NamedRule[];
};

/** One rule over all days: means, and paired differences against the first rule. */
export type RuleResult = {
  readonly policy: string;
  readonly qg: number;
  readonly qgInterval: readonly [number, number];
  /** This rule's QG less the first rule's on the same day, mean over days with a 95 % interval; absent for the first. */
  readonly against?: MeanInterval;
  readonly slo: Readonly<Partial<Record<ModelClass, number>>>;
  readonly goodputPerHour: Readonly<Partial<Record<ModelClass, number>>>;
  readonly batchQuality: number | undefined;
  /** Share of online answers within what was promised, where the rule promises anything; `nominal` is what should be. */
  readonly coverage: number | undefined;
  readonly nominal: number | undefined;
  readonly coverageByClass: Readonly<Partial<Record<ModelClass, number>>>;
  /** QG of the clairvoyant less this rule's, where a clairvoyant took part. */
  readonly regret?: number;
  readonly swaps: number;
  readonly refused: number;
  readonly requests: number;
  readonly utilisation: Readonly<Record<string, number>>;
  /** Online answers per day by model. */
  readonly models: Readonly<Record<string, number>>;
};

/** Called after each simulated day. */
export type OnDay = (rule: string, done: number, total: number) => void;

/** Name of the rule that regret is measured against. */
export const CLAIRVOYANT = 'clairvoyant';

/** Simulates every rule on every day. The first rule is the one the others are held against. Throws on abort. */
export async function compareRules(
  comparison: Comparison,
  { signal, onDay }: { readonly signal?: AbortSignal | undefined; readonly onDay?: OnDay | undefined } = {},
): Promise<readonly RuleResult[]> {
  const { rules, seeds } = comparison;
  const world = createWorld(comparison.policy);
  const days: DayFigures[][] = rules.map(() => []);
  let done = 0;
  for (let seed = 1; seed <= seeds; seed += 1) {
    const luck = luckOf(comparison, world, seed);
    for (const [index, rule] of rules.entries()) {
      days[index]?.push(await oneDay(comparison, { ...luck, world, rule, seed, signal }));
      done += 1;
      onDay?.(rule.name, done, rules.length * seeds);
    }
  }
  const first = days[0] ?? [];
  const best = days[comparison.rules.findIndex(({ name }) => name === CLAIRVOYANT)];
  const bestQg = best === undefined ? undefined : mean(best.map(({ qg }) => qg));
  return comparison.rules.map((rule, index) =>
    summary(rule.name, days[index] ?? [], { first: index === 0 ? undefined : first, bestQg }),
  );
}

/** What is the same for all rules on one day. */
type Luck = {
  readonly requests: readonly SimulatedRequest[];
  readonly profiles: ReadonlyMap<ModelId, Profile>;
};

function luckOf({ plan, load, wrongBench }: Comparison, world: World, seed: number): Luck {
  const profiles = new Map<ModelId, Profile>();
  for (const [id, model] of world.models) profiles.set(id, profileOf(model, wrongBench ? seed : undefined));
  return { requests: generateRequests(plan, load, seed), profiles };
}

type DayParts = Luck & {
  readonly world: World;
  readonly rule: NamedRule;
  readonly seed: number;
  readonly signal: AbortSignal | undefined;
};

async function oneDay({ policy, plan, climate }: Comparison, parts: DayParts): Promise<DayFigures> {
  return measureDay(await simulateDay({ policy, plan, climate, ...parts }), plan.durationMs / 3_600_000);
}

function summary(
  policy: string,
  days: readonly DayFigures[],
  { first, bestQg }: { readonly first: readonly DayFigures[] | undefined; readonly bestQg: number | undefined },
): RuleResult {
  const qg = meanInterval(days.map((day) => day.qg)) ?? { mean: 0, low: 0, high: 0 };
  const over = (of: (day: DayFigures) => number | undefined) => mean(days.flatMap((day) => of(day) ?? []));
  const perClass = (of: (day: DayFigures) => Readonly<Record<ModelClass, number | undefined>>) => {
    const table: Partial<Record<ModelClass, number>> = {};
    for (const name of MODEL_CLASSES) {
      const value = over((day) => of(day)[name]);
      if (value !== undefined) table[name] = value;
    }
    return table;
  };
  const keyed = (of: (day: DayFigures) => Readonly<Record<string, number>>) => {
    const keys = new Set(days.flatMap((day) => Object.keys(of(day))));
    return Object.fromEntries([...keys].map((key) => [key, mean(days.map((day) => of(day)[key] ?? 0)) ?? 0]));
  };
  const against =
    first === undefined ? undefined : meanInterval(days.map((day, index) => day.qg - (first[index]?.qg ?? 0)));
  return {
    policy,
    qg: qg.mean,
    qgInterval: [qg.low, qg.high],
    ...(against === undefined ? {} : { against }),
    slo: perClass((day) => day.slo),
    goodputPerHour: perClass((day) => day.goodputPerHour),
    batchQuality: over((day) => day.batchQuality),
    coverage: over((day) => day.coverage),
    nominal: over((day) => day.nominal),
    coverageByClass: perClass((day) => day.coverageByClass),
    ...(bestQg === undefined ? {} : { regret: bestQg - qg.mean }),
    swaps: over((day) => day.swaps) ?? 0,
    refused: over((day) => day.refused) ?? 0,
    requests: over((day) => day.requests) ?? 0,
    utilisation: keyed((day) => day.utilisation),
    models: keyed((day) => day.models),
  };
}
