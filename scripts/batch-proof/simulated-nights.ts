import { join } from 'node:path';
import { FIRST_PACE, type Pace } from '../../src/batch/pace.ts';
import { BATCH_STATUSES, isEnded } from '../../src/core/batch.ts';
import type { ModelId } from '../../src/core/ids.ts';
import { modelId } from '../../src/core/ids.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import type { Policy } from '../../src/core/policy.ts';
import { createLearner } from '../../src/learn/learner.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { parseWindows, windowsState } from '../../src/policy/windows.ts';
import { createDraws, type Draws } from '../../src/simulate/draws.ts';
import { createSimulatedTime } from '../../src/simulate/simulated-time.ts';
import { createWorld, profileOf } from '../../src/simulate/world.ts';
import { SimulatedNightBoard } from './night-board.ts';
import { openNightDesk } from './night-desk.ts';

// Night after night on a simulated RK3588: the gateway's own runner, planner, gate and queue under a clock that jumps;
// simulated are the board, the people and how long answers are. What one night teaches (rates, lengths, pace) is there
// in the next.

/** One night. */
export type SimulatedNight = {
  readonly night: number;
  readonly items: number;
  readonly model: string;
  readonly promised: boolean;
  readonly inTime: boolean;
  readonly undone: number;
  /** Predicted when it was sent, and actual, as hours after the window opened; undefined where it did not end. */
  readonly predictedH: number;
  readonly actualH: number | undefined;
  readonly preempted: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** From here on, so that both changes of the clocks are among two hundred nights. */
const FIRST_NIGHT_MS = Date.UTC(2026, 9, 10, 18);
const WINDOW = '22:00-07:00 Europe/Berlin';
/** Looks come each second in the gateway; here each three minutes and after people, for only the clock passes otherwise. */
const LOOK_MS = 180_000;
/** Before the window opens nothing happens but that a plan is made. */
const EARLY_LOOK_MS = 900_000;
/** Turns of the event loop in which a plan is made and items are begun. */
const BREATHS = 40;

type Carried = { pace: Pace; readonly learner: ReturnType<typeof createLearner>; readonly policy: Policy };

/** Runs `count` nights. */
export async function runNights(
  count: number,
  seed: number,
  onNight: (night: SimulatedNight) => void = () => undefined,
): Promise<readonly SimulatedNight[]> {
  const carried: Carried = { pace: FIRST_PACE, learner: createLearner(), policy: await shippedPolicy() };
  const nights: SimulatedNight[] = [];
  for (let night = 0; night < count; night += 1) {
    const result = await runNight(night, seed, carried);
    nights.push(result);
    onNight(result);
  }
  return nights;
}

const shippedPolicy = (): Promise<Policy> => loadPolicy(join(packageRoot(), 'routing-policy.yaml'));

async function runNight(night: number, seed: number, carried: Carried): Promise<SimulatedNight> {
  const { policy, learner } = carried;
  const world = createWorld(policy);
  const draws = createDraws(seed, `night ${night}`);
  const startMs = FIRST_NIGHT_MS + night * DAY_MS;
  const time = createSimulatedTime(startMs, BREATHS);
  const windows = parseWindows(WINDOW, 'UTC');
  const opensMs = startMs + windowsState(windows, startMs).opensInMs;
  const closesMs = opensMs + windowsState(windows, opensMs).closesInMs;
  const board = new SimulatedNightBoard(time, {
    ...{ world, learner, seed: seed * 1_000 + night },
    profiles: new Map([...world.models].map(([id, model]) => [id, profileOf(model, undefined)])),
    outputMedian: draws.logNormal(280, 0.3),
    slowness: draws.logNormal(1.05, 0.05),
    people: peopleOf(draws, opensMs, closesMs),
    foreign: foreignOf(draws, opensMs),
    onAnswered: () => void time.after(1_000, () => lookNow()),
  });
  const stop = new AbortController();
  let lookNow: () => void = () => undefined;
  const untilLookMs = () => Math.min(EARLY_LOOK_MS, Math.max(LOOK_MS, opensMs - time.nowMs()));
  const clock = {
    ...time,
    // The database keeps whole milliseconds.
    nowMs: () => Math.round(time.nowMs()),
    after: (delayMs: number, callback: () => void) => {
      const settled = () => {
        callback();
        time.settle();
      };
      if (delayMs !== 1_000) return time.after(delayMs, settled);
      lookNow = settled;
      return time.after(untilLookMs(), settled);
    },
  };
  const pace = {
    load: () => carried.pace,
    save: (next: Pace) => {
      carried.pace = next;
    },
  };
  const desk = openNightDesk({ clock, policy, board, pace });
  const sizes = batchOf(draws, closesMs - opensMs);
  let id = '';
  let promise: { readonly promised: boolean; readonly predictedMs: number } | undefined;
  time.at(startMs + HOUR_MS * draws.uniform(), () => {
    const when = { kind: 'windows', text: WINDOW } as const;
    id = desk.submit(sizes.lines, { deadlineMs: closesMs, when, model: sizes.model, minQuality: 0.65 });
    time.settle();
  });
  const look = () => {
    const batch = id === '' ? undefined : desk.batch(id);
    const outlook = batch === undefined ? undefined : desk.runner.outlook(id);
    if (promise === undefined && outlook?.predictedFinish) {
      promise = { promised: outlook.promised, predictedMs: Date.parse(outlook.predictedFinish) };
    }
    // One more look of the runner, in which it learns from the night.
    if (batch !== undefined && isEnded(batch.status)) time.after(2 * LOOK_MS, () => stop.abort());
    else time.after(untilLookMs(), look);
    time.settle();
  };
  time.after(LOOK_MS, look);
  await desk.runner.start();
  await time.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  const batch = desk.batch(id);
  if (batch === undefined || !BATCH_STATUSES.includes(batch.status)) throw new Error(`night ${night} had no batch`);
  await desk.close();
  const { counts, times, preempted } = batch;
  return {
    ...{ night, items: counts.total, model: sizes.model ?? 'any', preempted },
    promised: promise?.promised ?? false,
    inTime: batch.status === 'completed',
    undone: counts.total - counts.done,
    predictedH: ((promise?.predictedMs ?? Number.NaN) - opensMs) / HOUR_MS,
    actualH: times.completedMs === undefined ? undefined : (times.completedMs - opensMs) / HOUR_MS,
  };
}

// Between a seventh and a little more than what the model, or 9B where any may do it, can do in the window.
function batchOf(draws: Draws, openMs: number) {
  const model = [undefined, undefined, undefined, 'qwen3.5-4b', 'qwen3.5-9b', 'qwen3.5-27b'][
    Math.floor(draws.uniform() * 6)
  ];
  const itemMs = { 'qwen3.5-4b': 175_000, 'qwen3.5-9b': 260_000, 'qwen3.5-27b': 780_000 }[model ?? 'qwen3.5-9b'] ?? 1;
  const count = Math.max(2, Math.round(((0.15 + 0.95 * draws.uniform()) * openMs) / itemMs));
  const lines = Array.from({ length: count }, () => ({ chars: Math.round(draws.logNormal(700, 0.6)) }));
  const named: ModelId | undefined = model === undefined ? undefined : modelId(model);
  return { lines, model: named };
}

// Most nights nobody asks, some nights a few do, now and then somebody works until one o'clock.
function peopleOf(draws: Draws, opensMs: number, closesMs: number): { atMs: number; tokens: number }[] {
  const kind = draws.uniform();
  const perHour = kind < 0.6 ? 0.2 : kind < 0.9 ? 2 : 12;
  const untilMs = kind < 0.9 ? closesMs : opensMs + 3 * HOUR_MS;
  const people: { atMs: number; tokens: number }[] = [];
  for (let atMs = opensMs; ; ) {
    atMs -= (Math.log(1 - draws.uniform()) * HOUR_MS) / perHour;
    if (atMs >= untilMs) return people;
    people.push({ atMs, tokens: Math.max(1, Math.round(draws.logNormal(55, 0.8))) });
  }
}

// Every fourth night a backup.
function foreignOf(draws: Draws, opensMs: number) {
  const fromMs = opensMs + draws.uniform() * 6 * HOUR_MS;
  const lengthMs = (20 + 40 * draws.uniform()) * 60_000;
  return draws.uniform() < 0.25 ? { fromMs, toMs: fromMs + lengthMs } : undefined;
}
