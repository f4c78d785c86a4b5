import type { Batch } from '../../core/batch.ts';
import { formatDurationMs } from '../../core/format.ts';
import type { ModelId } from '../../core/ids.ts';
import type { BatchPolicy, Policy, Window } from '../../core/policy.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { parseWindows, windowsState } from '../../policy/windows.ts';
import { assessMemory } from '../../route/memory.ts';

/** The state of the machine, as far as it decides whether a batch may go on. */
export type GateInput = {
  readonly batch: Batch;
  readonly policy: BatchPolicy;
  readonly nowMs: number;
  /** The operator wants no new work to be begun. */
  readonly isDraining: boolean;
  /** Time since somebody asked for something, ms. */
  readonly quietMs: number;
  /** Hottest thermal zone, degrees Celsius; undefined where none can be read. */
  readonly hottestCelsius: number | undefined;
  /** Share of the CPUs that other programs take, 0..1; undefined where it cannot be read. */
  readonly foreignShare: number | undefined;
};

/** Why no item of a batch may be begun now, for people; undefined = nothing stands in the way. */
export function gateOf(input: GateInput): string | undefined {
  const { batch, policy, nowMs, quietMs, hottestCelsius, foreignShare } = input;
  if (input.isDraining) return 'waits while the gateway is drained (POST /router/drain)';
  const state = windowsState(windowsOf(batch, policy), nowMs);
  const isIdleTime = policy.idleMs !== undefined && quietMs >= policy.idleMs;
  if (!state.open && !isIdleTime) return `waits for its window, which opens in ${formatDurationMs(state.opensInMs)}`;
  if (hottestCelsius !== undefined && hottestCelsius >= policy.temperatureMaxCelsius) {
    return `waits until it is cooler: ${hottestCelsius} degrees, batch.temperature_max is ${policy.temperatureMaxCelsius}`;
  }
  // A bound of all CPUs is none, however the ticks were rounded.
  if (foreignShare !== undefined && policy.foreignLoadMax < 1 && foreignShare > policy.foreignLoadMax) {
    const taken = Math.round(foreignShare * 100);
    return `waits for other programs, which take ${taken} % of the CPUs (batch.load_max)`;
  }
  return undefined;
}

/** Windows in which a batch runs; none = always. */
export function windowsOf({ request }: Batch, policy: BatchPolicy): readonly Window[] {
  switch (request.when.kind) {
    case 'now':
      return [];
    case 'policy':
      return policy.windows;
    case 'windows':
      return parsed(request.when.text, policy.timezone);
  }
}

// A window keeps its present state with itself, so it must be the same object each time.
const known = new Map<string, readonly Window[]>();
const KNOWN_MAX = 100;

function parsed(text: string, timezone: string): readonly Window[] {
  const key = `${timezone} ${text}`;
  let windows = known.get(key);
  if (windows === undefined) {
    if (known.size >= KNOWN_MAX) known.clear();
    windows = parseWindows(text, timezone);
    known.set(key, windows);
  }
  return windows;
}

/**
 * Where people ask once in a gap, five gaps without anybody mean with 99 % that they have gone (their requests taken to come
 * independently of one another). That is waited for up to this many times the operator's own figure: a quarter of an hour
 * where it says nothing.
 */
const QUIET_GAPS = 5;
const SWAP_BACKS_MAX = 7.5;

/** What a swap is weighed by. */
export type SwapGateInput = {
  readonly policy: () => Policy;
  readonly snapshot: () => Snapshot;
  /** Time since somebody asked for something, ms. */
  readonly quietMs: () => number;
  /** Mean time between two requests of people while they were there last, ms; absent or 0 where nobody knows. */
  readonly usualGapMs?: () => number;
};

/**
 * Why an item on a model cannot begin that would push out another one, for people; undefined where it may. It waits until
 * people have been quiet for a while: swapping back and forth costs them more than it brings the batch.
 */
export function swapGateOf(
  { policy, snapshot, quietMs, usualGapMs }: SwapGateInput,
  model: ModelId,
): string | undefined {
  const seen = snapshot();
  const view = seen.models.get(model);
  if (view === undefined) return undefined;
  const memory = assessMemory(model, view, seen);
  const mustSwap = memory.kind === 'evicts' || memory.kind === 'waits';
  const { swapBackMs } = policy().batch;
  const flowMs = Math.min(SWAP_BACKS_MAX * swapBackMs, QUIET_GAPS * (usualGapMs?.() ?? 0));
  if (!mustSwap || quietMs() >= Math.max(swapBackMs, flowMs)) return undefined;
  return `waits with loading ${model} until nobody has asked for a while (batch.swap_back)`;
}
