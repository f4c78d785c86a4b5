import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { MODEL_CLASSES } from '../core/classes.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { RequestRecord } from '../core/events.ts';
import { formatDurationMs, formatShare } from '../core/format.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import { createLearner } from '../learn/learner.ts';
import { createAdapters } from '../machine.ts';
import { createEventBus } from '../observe/event-bus.ts';
import { diffPolicies, type PolicyChange } from '../policy/diff-policies.ts';
import { loadPolicy } from '../policy/load.ts';
import { DURATION_PATTERN, parseDurationMs } from '../policy/units.ts';
import { type ClassFigures, comparePolicies, type PolicyComparison } from '../simulate/compare-policies.ts';
import { type KnownModel, measuredWorld, recordedRequests } from '../simulate/recorded-day.ts';
import { ours } from '../simulate/rules/ours.ts';
import { type DayOutcome, simulateDay } from '../simulate/simulate-day.ts';
import { profileOf } from '../simulate/world.ts';
import { openStore, type Store } from '../store/open-store.ts';
import { createProfiles } from '../store/profiles.ts';
import { inspectModels } from '../supervise/inspect-models.ts';
import { formatTable } from './format-table.ts';

type DiffOptions = {
  readonly policy?: string;
  readonly data?: string;
  readonly since: string;
  readonly limit: string;
  readonly json?: true;
};

/** Requests read from the history at most; newest first. */
const REQUESTS_MAX = 50_000;

/** Adds `policy diff OLD [NEW]`: what differs, and what the recorded requests would have seen under both. */
export function registerPolicyDiffCommand(policy: Command): void {
  policy
    .command('diff')
    .argument('<old>', 'policy file to compare with')
    .argument('[new]', 'policy file to try; default: the one of --policy')
    .option('--since <duration>', 'how far back recorded requests are tried again', '7d')
    .option('--limit <number>', 'at most so many of them, the newest', '10000')
    .option('--json', 'print JSON')
    .description('say what two policies differ in, and try the recorded requests under both')
    .addHelpText(
      'after',
      `
Recorded are lengths, counts and flags of each request (gateway.record), never its text. They are classified, decided
and queued again by the gateway's own modules on a simulated machine as fast as this one was measured to be.

Example: cp routing-policy.yaml new.yaml; edit new.yaml; sluice policy diff routing-policy.yaml new.yaml`,
    )
    .action(async (old: string, next: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DiffOptions>();
      const file = next ?? options.policy ?? 'routing-policy.yaml';
      const [before, after] = [await loadPolicy(old), await loadPolicy(file)];
      const result = { changes: diffPolicies(before, after), replay: await replay(before, after, options) };
      console.log(options.json === true ? JSON.stringify(toJson(result), null, 2) : describe(result));
    });
}

type Replay =
  | { readonly kind: 'none'; readonly why: string }
  | {
      readonly kind: 'tried';
      readonly requests: number;
      readonly fromMs: number;
      readonly toMs: number;
      readonly withoutFeatures: number;
      /** Requests that a rule would test for something nobody had recorded. */
      readonly uncertain: number;
      readonly comparison: PolicyComparison;
    };

type DiffResult = { readonly changes: readonly PolicyChange[]; readonly replay: Replay };

async function replay(before: Policy, after: Policy, options: DiffOptions): Promise<Replay> {
  const [spanMs, limit] = [readDuration(options.since), readLimit(options.limit)];
  const dataDir = resolve(options.data ?? 'data');
  const file = join(dataDir, 'sluice.db');
  if (!existsSync(file)) return { kind: 'none', why: `no recorded requests: ${file} does not exist (see --data)` };
  const clock = systemClock;
  const store = openStore(file, { clock });
  try {
    const sinceMs = clock.nowMs() - spanMs;
    const records = store.recentRequests(limit).filter(({ receivedAtMs }) => receivedAtMs >= sinceMs);
    const withFeatures = records.filter(({ features }) => features !== undefined);
    if (withFeatures.length === 0) {
      const why = `${records.length} requests of the last ${options.since} in ${file}, none with its features: serve some with gateway.record: features, or give a longer --since`;
      return { kind: 'none', why };
    }
    return await tryBoth(before, after, { records, store, dataDir });
  } finally {
    store.close();
  }
}

type History = { readonly records: readonly RequestRecord[]; readonly store: Store; readonly dataDir: string };

async function tryBoth(before: Policy, after: Policy, history: History): Promise<Replay> {
  const old = await outcomesUnder(before, history);
  const fresh = await outcomesUnder(after, history);
  const uncertain = new Set([...uncertainOf(old.tried.unanswered), ...uncertainOf(fresh.tried.unanswered)]);
  const { requests, startMs, durationMs, withoutFeatures } = fresh.tried;
  return {
    kind: 'tried',
    requests: requests.length,
    fromMs: startMs,
    toMs: startMs + durationMs,
    withoutFeatures,
    uncertain: uncertain.size,
    comparison: comparePolicies(old.outcomes, fresh.outcomes),
  };
}

const uncertainOf = (unanswered: ReadonlyMap<number, ReadonlySet<string>>): readonly number[] =>
  [...unanswered].flatMap(([index, tests]) => (tests.size > 0 ? [index] : []));

async function outcomesUnder(policy: Policy, { records, store, dataDir }: History) {
  const clock = systemClock;
  const profiles = createProfiles(store, clock);
  try {
    const adapters = createAdapters({ clock, events: createEventBus(), environment: process.env, dataDir }, () => ({}));
    const models = new Map<ModelId, KnownModel>();
    for (const [id, { model, inspection }] of await inspectModels(policy, adapters)) {
      const { facts, availability } = inspection;
      if (facts === undefined || availability.kind !== 'available') continue;
      const profile = profiles.profileOf(model, facts);
      const memoryBytes = profile.peakMemoryBytes?.value ?? facts.estimatedMemoryBytes;
      models.set(id, { profile, facts, memoryBytes });
    }
    const { memoryBytes, reserveBytes } = policy.machine;
    const budgetBytes = Math.min(memoryBytes ?? totalmem(), totalmem()) - reserveBytes;
    const { knowledge } = createLearner({ state: store.learnedState() });
    const world = measuredWorld(policy, models, { knowledge, budgetBytes });
    const tried = recordedRequests(records, policy);
    const outcomes: readonly DayOutcome[] = (
      await simulateDay({
        world,
        policy,
        plan: { ...EMPTY_PLAN, durationMs: Math.max(1, tried.durationMs) },
        requests: tried.requests,
        profiles: new Map([...world.models].map(([id, model]) => [id, profileOf(model, undefined)])),
        rule: ours,
        climate: 'steady',
        seed: 1,
        startMs: tried.startMs,
      })
    ).outcomes;
    return { tried, outcomes };
  } finally {
    profiles.close();
  }
}

const EMPTY_PLAN = {
  name: 'recorded requests',
  startMinute: 0,
  burstiness: 1,
  day: { peakMinute: 0, low: 1 },
  streams: [],
  batch: undefined,
} as const;

function readDuration(text: string): number {
  const durationMs = new RegExp(DURATION_PATTERN).test(text) ? parseDurationMs(text) : 0;
  if (durationMs > 0) return durationMs;
  throw new GatewayError('usage', `--since ${text}: expected a duration above zero such as 12h or 7d`);
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= REQUESTS_MAX) return limit;
  throw new GatewayError('usage', `--limit ${text}: expected a whole number from 1 to ${REQUESTS_MAX}`);
}

function describe({ changes, replay: tried }: DiffResult): string {
  const differences = changes.map(({ path, before, after }) => [path, before ?? '(none)', '->', after ?? '(none)']);
  const head =
    changes.length === 0 ? ['the policies mean the same'] : formatTable(['changed', 'old', '', 'new'], differences);
  if (tried.kind === 'none') return [...head, '', tried.why].join('\n');
  const { comparison } = tried;
  const span = `${new Date(tried.fromMs).toISOString().slice(0, 16)} to ${new Date(tried.toMs).toISOString().slice(0, 16)}`;
  const moved = comparison.moves.reduce((sum, { requests }) => sum + requests, 0);
  const moves = comparison.moves.map((move) => [
    move.class === move.toClass ? move.class : `${move.class} -> ${move.toClass}`,
    move.from,
    '->',
    move.to,
    String(move.requests),
  ]);
  return [
    ...head,
    '',
    `${tried.requests} recorded requests (${span} UTC) tried under both, predicted and not run:`,
    `${moved} would move, ${comparison.unmoved} would not`,
    ...(tried.uncertain === 0
      ? []
      : [`${tried.uncertain} are uncertain: a rule tests a text or header that nobody had tested when they were new`]),
    ...(tried.withoutFeatures === 0 ? [] : [`${tried.withoutFeatures} left out: recorded without features`]),
    ...(moves.length === 0 ? [] : ['', ...formatTable(['class', 'from', '', 'to', 'requests'], moves)]),
    '',
    ...formatTable(
      ['class', '', 'requests', 'TTFT p50', 'p95', 'E2E p50', 'p95', 'targets met', 'refused', 'degraded'],
      MODEL_CLASSES.flatMap((name) => {
        const { before, after } = comparison.classes[name];
        if (before.requests + after.requests === 0) return [];
        return [
          [name, 'old', ...cells(before)],
          ['', 'new', ...cells(after)],
        ];
      }),
    ),
  ].join('\n');
}

function cells(figures: ClassFigures): string[] {
  const ms = (value: number | undefined) => (value === undefined ? '' : formatDurationMs(value));
  return [
    String(figures.requests),
    ms(figures.ttftMsP50),
    ms(figures.ttftMsP95),
    ms(figures.e2eMsP50),
    ms(figures.e2eMsP95),
    figures.sloMet === undefined ? '' : formatShare(figures.sloMet),
    String(figures.refused),
    String(figures.degraded),
  ];
}

function toJson({ changes, replay: tried }: DiffResult) {
  if (tried.kind === 'none') return { changes, replay: null, why: tried.why };
  const { kind: _, ...shown } = tried;
  return {
    changes,
    replay: {
      ...shown,
      fromMs: undefined,
      toMs: undefined,
      from: new Date(tried.fromMs).toISOString(),
      to: new Date(tried.toMs).toISOString(),
    },
  };
}
