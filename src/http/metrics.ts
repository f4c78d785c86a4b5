import type { Hono } from 'hono';
import { readMachineState } from '../bench/fingerprint.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { ModelId } from '../core/ids.ts';
import type { LaneEntry, ModelView } from '../core/snapshot.ts';
import type {
  BatchState,
  ClientState,
  GatewayState,
  MachineReadings,
  ModelState,
  ProcessState,
} from '../observe/gateway-state.ts';
import { PROMETHEUS_CONTENT_TYPE } from '../observe/registry.ts';
import { processTicks, TICKS_PER_SEC } from '../transport/cpu-ticks.ts';
import { npuLoad, openFiles, slowDowns } from '../transport/sensors.ts';
import type { Bindings } from './app.ts';
import { readiness } from './health.ts';
import type { HttpParts } from './parts.ts';

/** `GET /metrics`, for Prometheus. */
export function addMetricsRoute(app: Hono<Bindings>, parts: HttpParts): void {
  app.get('/metrics', (context) =>
    context.body(parts.metrics.text(), 200, { 'content-type': PROMETHEUS_CONTENT_TYPE }),
  );
}

/**
 * How the gateway stands now. Reads the machine's sensors and each child's CPU time from `/sys` and `/proc` below
 * `sysroot`; what cannot be read is left out.
 */
export function readGatewayState(parts: HttpParts, sysroot?: string): GatewayState {
  const policy = parts.policy();
  const snapshot = parts.snapshot();
  return {
    version: parts.version,
    ready: readiness(parts).ready,
    draining: parts.isDraining(),
    policyValid: parts.policyError() === undefined,
    policyRevision: policy.revision,
    requestsActive: parts.answers.size,
    lanes: [...snapshot.lanes.values()].map(({ device, lanes, running, waiting }) => ({
      device,
      lanes,
      running: running.length,
      waiting: countByClass(waiting),
    })),
    queueDepthMax: policy.gateway.queueDepthMax,
    memory: parts.supervisor.memory(),
    models: [...policy.models.keys()].flatMap((id) => modelState(parts, id, snapshot.models.get(id)) ?? []),
    batches: batchState(parts),
    clients: clientStates(parts),
    machine: readMachine(parts, sysroot),
    process: readProcess(parts),
  };
}

function countByClass(entries: readonly LaneEntry[]): Readonly<Record<ModelClass, number>> {
  const count = (name: ModelClass) => entries.filter((entry) => entry.class === name).length;
  return Object.fromEntries(MODEL_CLASSES.map((name) => [name, count(name)])) as Record<ModelClass, number>;
}

function modelState({ policy, supervisor }: HttpParts, id: ModelId, seen?: ModelView): ModelState | undefined {
  const view = supervisor.views().get(id);
  const model = policy().models.get(id);
  if (view === undefined || model === undefined) return undefined;
  return {
    model: id,
    device: policy().runtimes.get(model.runtime)?.device ?? '',
    available: view.availability.kind === 'available',
    residency: view.residency.kind,
    restarts: view.restarts,
    running: view.running,
    slots: view.parallel,
    rssBytes: view.rssBytes,
    cpuSeconds: view.pid === undefined ? undefined : processTicks(view.pid)[0] / TICKS_PER_SEC,
    stale: (seen?.stale.length ?? 0) > 0,
    quarantined: seen?.quarantined !== undefined,
  };
}

function batchState({ batches }: HttpParts): BatchState {
  const running = batches.runnable();
  const sum = (of: 'total' | 'done' | 'failed') => running.reduce((total, { counts }) => total + counts[of], 0);
  const [done, failed] = [sum('done'), sum('failed')];
  return {
    running: running.length,
    paused: running.filter(({ paused }) => paused !== undefined).length,
    items: { open: sum('total') - done - failed, done, failed },
  };
}

function clientStates({ policy, usage, limits }: HttpParts): readonly ClientState[] {
  const { clients } = policy();
  const names = new Set([...clients.map(({ name }) => name), ...usage.all().map(({ client }) => client)]);
  return [...names].map((client) => {
    const today = usage.today(client);
    return {
      client,
      running: limits.running(client),
      tokensToday: today.promptTokens + today.outputTokens,
      dailyTokens: clients.find(({ name }) => name === client)?.daily?.tokens,
    };
  });
}

function readMachine({ clock }: HttpParts, sysroot: string | undefined): MachineReadings {
  const state = readMachineState(clock.nowMs(), sysroot);
  return {
    // Of several zones of a name the last would hide the others.
    temperatures: state.temperatures.toSorted((a, b) => a.celsius - b.celsius),
    cooling: slowDowns(sysroot).map(({ name, share }) => ({ device: name, share })),
    npu: npuLoad(sysroot).map(({ name, share }) => ({ core: name, share })),
    cpuHertz: state.frequencies.flatMap(({ cpus, currentKhz }) =>
      currentKhz === undefined ? [] : [{ cpus, hertz: currentKhz * 1000 }],
    ),
    memoryAvailableBytes: state.memoryAvailableBytes,
  };
}

function readProcess({ startedAtMs }: HttpParts): ProcessState {
  const { user, system } = process.cpuUsage();
  return {
    rssBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1_000_000,
    startedAtMs,
    openFiles: openFiles(),
  };
}
