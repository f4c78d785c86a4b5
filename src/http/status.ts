import type { ClientPolicy } from '../core/client-policy.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { LaneEntry } from '../core/snapshot.ts';
import type { UsageRow } from '../core/usage.ts';
import { judgeSnapshot } from '../report/judge-snapshot.ts';
import type { HttpParts } from './parts.ts';
import { snakeCase } from './snake-case.ts';

/** `GET /router/status`: one look at everything that runs. */
export function encodeStatus(parts: HttpParts) {
  const policy = parts.policy();
  const memory = parts.supervisor.memory();
  return {
    version: parts.version,
    started_at: new Date(parts.startedAtMs).toISOString(),
    uptime_s: Math.round((parts.clock.nowMs() - parts.startedAtMs) / 1000),
    // Null on real hardware.
    simulated: encodeSimulation(parts.simulation),
    state: parts.isDraining() ? 'draining' : parts.isStarting() ? 'starting' : 'serving',
    policy: { file: policy.file, revision: policy.revision, error: parts.policyError() ?? null },
    classifier: snakeCase(parts.classifier.status()),
    memory: {
      budget_bytes: memory.budgetBytes,
      pinned_bytes: memory.pinnedBytes,
      evictable_bytes: memory.evictableBytes,
      gateway_rss_bytes: process.memoryUsage.rss(),
    },
    requests_active: parts.answers.size,
    idle_bench: snakeCase(parts.idleBench()),
    batches: encodeRunning(parts),
    lanes: [...parts.snapshot().lanes.values()].map((lane) => ({
      device: lane.device,
      lanes: lane.lanes,
      running: lane.running.map(encodeEntry),
      waiting: lane.waiting.map(encodeEntry),
    })),
    clients: encodeClients(parts),
    models: encodeModels(parts),
  };
}

// Batches that may be run now or later, everybody's: how far they are and what is done about them.
function encodeRunning({ batches, batchOutlook }: HttpParts) {
  return batches.runnable().map(({ id, client, status, counts, request, paused }) => {
    const outlook = batchOutlook(id);
    return {
      id,
      client,
      status,
      request_counts: { total: counts.total, completed: counts.done, failed: counts.failed },
      state: outlook?.state ?? null,
      paused: paused ?? null,
      // Items expected to be done by the deadline; null where nothing is planned yet.
      in_time: outlook === undefined || Object.keys(outlook.planned).length === 0 ? null : outlook.inTime,
      predicted_finish: outlook?.predictedFinish ?? null,
      deadline: new Date(request.deadlineMs).toISOString(),
    };
  });
}

/** Every client of the policy, and whoever asked without a key: what it may use, has used up today and runs now. */
function encodeClients({ policy, usage, limits }: HttpParts) {
  const clients = policy().clients;
  const today = new Map(usage.all().map((row) => [row.client, row]));
  const names = new Set([...clients.map(({ name }) => name), ...today.keys()]);
  return [...names].map((name) => ({
    name,
    running: limits.running(name),
    limits: encodeLimits(clients.find((client) => client.name === name)),
    today: encodeUsageRow(today.get(name) ?? usage.today(name)),
  }));
}

const DAY_MS = 86_400_000;

/** `GET /router/usage`: what clients have used up today and on the days before, newest first. */
export function encodeUsage({ usage, usageSince, clock }: HttpParts, days: number) {
  const today = usage.day().name;
  const first = new Date(clock.nowMs() - days * DAY_MS).toISOString().slice(0, today.length);
  // Of today what is counted is ahead of what is saved.
  const before = usageSince(first).filter(({ day }) => day < today && day > first);
  return [...usage.all(), ...before].map(encodeUsageRow);
}

const encodeUsageRow = (row: UsageRow) => ({
  day: row.day,
  client: row.client,
  requests: row.requests,
  refused: row.refused,
  failed: row.failed,
  prompt_tokens: row.promptTokens,
  cached_tokens: row.cachedTokens,
  output_tokens: row.outputTokens,
});

const encodeLimits = (client: ClientPolicy | undefined) => ({
  requests_per_minute: client?.requestsPerMinute ?? null,
  tokens_per_minute: client?.tokensPerMinute ?? null,
  concurrent: client?.concurrent ?? null,
  daily_requests: client?.daily?.requests ?? null,
  daily_tokens: client?.daily?.tokens ?? null,
  classes: client?.classes ?? null,
  models: client?.models ?? null,
});

function encodeEntry(entry: LaneEntry) {
  return { class: entry.class, model: entry.model, remaining_ms: Math.round(entry.remainingMs) };
}

/** `GET /router/models`: every model of the policy, with its child and why it cannot be used where it cannot. */
export function encodeModels(parts: HttpParts) {
  const policy = parts.policy();
  const snapshot = parts.snapshot();
  const verdicts = judgeSnapshot(policy, snapshot);
  return [...policy.models.values()].map((model) => {
    const view = parts.supervisor.views().get(model.id);
    return {
      id: model.id,
      aliases: model.aliases,
      runtime: model.runtime,
      device: policy.runtimes.get(model.runtime)?.device,
      simulated: isSimulated(model, policy, view?.runtimeVersion),
      file: model.file,
      classes: model.classes ?? null,
      quality: model.quality,
      keep: snakeCase(model.keep),
      availability: view?.availability ?? { kind: 'unavailable', reason: 'not looked at yet', remedy: 'wait a moment' },
      state: snakeCase(view?.residency ?? { kind: 'stopped' }) as { readonly kind: string; readonly reason?: string },
      running: view?.running ?? 0,
      parallel: view?.parallel ?? 1,
      pid: view?.pid ?? null,
      restarts: view?.restarts ?? 0,
      rss_bytes: view?.rssBytes ?? null,
      memory_bytes: view?.memoryBytes ?? null,
      memory_basis: view?.memoryBasis ?? null,
      last_load_ms: view?.lastLoadMs ?? null,
      runtime_version: view?.runtimeVersion ?? null,
      // What the model is good for here, with the figure that decided; null where it cannot be used.
      verdict: verdicts.get(model.id) ?? null,
      stale: snapshot.models.get(model.id)?.stale ?? [],
      quarantined: snapshot.models.get(model.id)?.quarantined ?? null,
      // Of its last guarded answers; null while `gateway.stream_guard` is off or nothing was asked.
      loops: parts.serve.guard?.shareOf(model.id) ?? null,
      facts: snakeCase(view?.facts ?? null),
      details: snakeCase(view?.details ?? null),
    };
  });
}

/** Models whose figures were measured in another state of the machine, with each difference. */
export function encodeStale(parts: HttpParts) {
  const stale = [...parts.snapshot().models].flatMap(([id, view]) =>
    view.stale.length === 0 ? [] : [[id, view.stale]],
  );
  return Object.fromEntries(stale) as Readonly<Record<string, readonly string[]>>;
}

/** `GET /router/profiles`: every figure that drives routing, each with its provenance. */
export function encodeProfiles(parts: HttpParts) {
  const models = [...parts.policy().models.keys()];
  return Object.fromEntries(models.map((model) => [model, snakeCase(parts.profileOf(model))]));
}

const encodeSimulation = (simulation: HttpParts['simulation']) =>
  simulation === undefined
    ? null
    : { board: simulation.board, speed: simulation.speed, policy_file: simulation.policyFile };

/** True for a model of which only the time is kept, and for one on a library that only pretends to have an NPU. */
export const isSimulated = (model: ModelPolicy, policy: Policy, version: string | undefined): boolean =>
  policy.runtimes.get(model.runtime)?.kind === 'simulated' || version?.endsWith('(simulated)') === true;
