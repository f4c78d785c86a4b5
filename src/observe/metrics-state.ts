import { MODEL_CLASSES } from '../core/classes.ts';
import type { Residency } from '../core/snapshot.ts';
import type { GatewayState, MachineReadings, ModelState } from './gateway-state.ts';
import type { NumberFamily, Registry } from './registry.ts';

/** Every state a child is shown in; one of them is 1 and the others 0. */
const CHILD_STATES: readonly Residency['kind'][] = [
  'stopped',
  'starting',
  'ready',
  'busy',
  'draining',
  'backoff',
  'failed',
];

/**
 * Instruments that show how things stand; the function sets all of them at once, when somebody asks. What is gone (a
 * model the policy no longer names) is gone from the answer too.
 */
export function createStateMetrics(registry: Registry): (state: GatewayState) => void {
  const setters = [
    gatewayMetrics(registry),
    laneMetrics(registry),
    childMetrics(registry),
    batchMetrics(registry),
    clientMetrics(registry),
    machineMetrics(registry),
    processMetrics(registry),
  ];
  return (state) => {
    for (const set of setters) set(state);
  };
}

type SetState = (state: GatewayState) => void;
type Make = (name: string, help: string, labels?: readonly string[]) => NumberFamily;

const gauges =
  (registry: Registry): Make =>
  (name, help, labels) =>
    registry.gauge({ name, help, labels });

/** Sets one series of a family. */
function set(family: NumberFamily, labels: readonly string[], value: number): void {
  family.of(...labels).value = value;
}

const bit = (value: boolean): number => (value ? 1 : 0);

function gatewayMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const build = gauge('sluice_build_info', 'Version of the gateway; always 1.', ['version', 'node']);
  const ready = gauge('sluice_ready', '1 where a request could be answered.');
  const draining = gauge('sluice_draining', '1 where no new work is taken.');
  const policyValid = gauge('sluice_policy_valid', '0 while a changed policy file is refused and the old one holds.');
  const policy = gauge('sluice_policy_info', 'Policy in force; always 1.', ['revision']);
  const active = gauge('sluice_requests_active', 'Requests that wait or run.');
  const budget = gauge('sluice_memory_budget_bytes', 'Memory all models together may take.');
  const used = gauge('sluice_memory_models_bytes', 'Memory models take: pinned by running work, or evictable.', [
    'kind',
  ]);
  return (state) => {
    set(build, [state.version, process.versions.node], 1);
    set(ready, [], bit(state.ready));
    set(draining, [], bit(state.draining));
    set(policyValid, [], bit(state.policyValid));
    policy.clear();
    set(policy, [state.policyRevision], 1);
    set(active, [], state.requestsActive);
    set(budget, [], state.memory.budgetBytes);
    set(used, ['pinned'], state.memory.pinnedBytes);
    set(used, ['evictable'], state.memory.evictableBytes);
  };
}

function laneMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const lanes = gauge('sluice_lanes', 'Generations a device takes at a time.', ['device']);
  const running = gauge('sluice_lane_running', 'Generations that run.', ['device']);
  const waiting = gauge('sluice_lane_waiting', 'Requests that wait for a lane.', ['device', 'class']);
  const limit = gauge('sluice_lane_waiting_limit', 'Requests of one class a device keeps waiting at most.');
  return (state) => {
    set(limit, [], state.queueDepthMax);
    for (const one of [lanes, running, waiting]) one.clear();
    for (const lane of state.lanes) {
      const { device } = lane;
      set(lanes, [device], lane.lanes);
      set(running, [device], lane.running);
      for (const name of MODEL_CLASSES) set(waiting, [device, name], lane.waiting[name]);
    }
  };
}

function childMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const labels = ['model', 'device'] as const;
  const available = gauge('sluice_model_available', '1 where the model could be started.', labels);
  const stale = gauge('sluice_model_stale', '1 where its figures belong to another state of the machine.', labels);
  const quarantined = gauge('sluice_model_quarantined', '1 where it is never chosen without being named.', labels);
  const states = gauge('sluice_child_state', '1 for the state a child is in, 0 for the others.', ['model', 'state']);
  const running = gauge('sluice_child_running', 'Generations that run in the child.', labels);
  const slots = gauge('sluice_child_slots', 'Generations the child takes at a time.', labels);
  const memory = gauge('sluice_child_resident_memory_bytes', 'Resident memory of the child.', labels);
  const restarts = registry.counter({
    name: 'sluice_child_restarts_total',
    help: 'Starts after a crash since the gateway began.',
    labels,
  });
  const cpu = registry.counter({
    name: 'sluice_child_cpu_seconds_total',
    help: 'CPU time of the running child; begins anew with each process.',
    labels,
  });
  const all = [available, stale, quarantined, states, running, slots, memory, restarts, cpu];
  const setModel = (state: ModelState) => {
    const at = [state.model, state.device];
    set(available, at, bit(state.available));
    set(stale, at, bit(state.stale));
    set(quarantined, at, bit(state.quarantined));
    for (const kind of CHILD_STATES) set(states, [state.model, kind], bit(kind === state.residency));
    set(running, at, state.running);
    set(slots, at, state.slots);
    set(restarts, at, state.restarts);
    if (state.rssBytes !== undefined) set(memory, at, state.rssBytes);
    if (state.cpuSeconds !== undefined) set(cpu, at, state.cpuSeconds);
  };
  return (state) => {
    for (const one of all) one.clear();
    for (const model of state.models) setModel(model);
  };
}

function batchMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const running = gauge('sluice_batches_running', 'Batches in progress.');
  const paused = gauge('sluice_batches_paused', 'Batches in progress that something is in the way of.');
  const items = gauge('sluice_batch_items', 'Items of batches in progress: open, done or failed.', ['state']);
  return ({ batches }) => {
    set(running, [], batches.running);
    set(paused, [], batches.paused);
    for (const state of ['open', 'done', 'failed'] as const) set(items, [state], batches.items[state]);
  };
}

function clientMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const running = gauge('sluice_client_running', 'Requests of the client that wait or run.', ['client']);
  const today = gauge('sluice_client_tokens_today', 'Prompt and output tokens used since midnight.', ['client']);
  const limit = gauge('sluice_client_tokens_today_limit', 'Tokens the client may use in a day.', ['client']);
  return ({ clients }) => {
    for (const one of [running, today, limit]) one.clear();
    for (const state of clients) {
      const { client } = state;
      set(running, [client], state.running);
      set(today, [client], state.tokensToday);
      if (state.dailyTokens !== undefined) set(limit, [client], state.dailyTokens);
    }
  };
}

function machineMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const temperature = gauge('sluice_temperature_celsius', 'Temperature of a thermal zone.', ['zone']);
  const cooling = gauge('sluice_cooling_ratio', 'How far a cooling device slows its part down, 0 to 1.', ['device']);
  const npu = gauge('sluice_npu_load_ratio', 'Load of an NPU core, 0 to 1; absent where it cannot be read.', ['core']);
  const clocks = gauge('sluice_cpu_frequency_hertz', 'Current clock of a group of CPUs.', ['cpus']);
  const memory = gauge('sluice_memory_available_bytes', 'Memory the machine has left.');
  const setReadings = (machine: MachineReadings) => {
    for (const { zone, celsius } of machine.temperatures) set(temperature, [zone], celsius);
    for (const { device, share } of machine.cooling) set(cooling, [device], share);
    for (const { core, share } of machine.npu) set(npu, [core], share);
    for (const { cpus, hertz } of machine.cpuHertz) set(clocks, [cpus], hertz);
    if (machine.memoryAvailableBytes !== undefined) set(memory, [], machine.memoryAvailableBytes);
  };
  return ({ machine }) => {
    for (const one of [temperature, cooling, npu, clocks]) one.clear();
    memory.clear();
    setReadings(machine);
  };
}

// Names every Prometheus client library uses, so that dashboards for processes work.
function processMetrics(registry: Registry): SetState {
  const gauge = gauges(registry);
  const memory = gauge('process_resident_memory_bytes', 'Resident memory of the gateway.');
  const started = gauge('process_start_time_seconds', 'Start of the gateway since 1970.');
  const files = gauge('process_open_fds', 'Open file descriptors of the gateway.');
  const cpu = registry.counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the gateway.',
  });
  return ({ process: own }) => {
    set(memory, [], own.rssBytes);
    set(started, [], own.startedAtMs / 1000);
    files.clear();
    if (own.openFiles !== undefined) set(files, [], own.openFiles);
    cpu.clear();
    set(cpu, [], own.cpuSeconds);
  };
}
