import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SimulatedNightBoard } from '../../../scripts/batch-proof/night-board.ts';
import { openNightDesk } from '../../../scripts/batch-proof/night-desk.ts';
import { FIRST_PACE } from '../../../src/batch/pace.ts';
import { modelId } from '../../../src/core/ids.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import { createLearner } from '../../../src/learn/learner.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import { createSimulatedTime } from '../../../src/simulate/simulated-time.ts';
import { createWorld, profileOf } from '../../../src/simulate/world.ts';
import { NO_USAGE } from '../../../src/store/job-queue.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ITEM_MS = 10 * MINUTE_MS;

/** Wall clock of each begin of an item within fourteen hours, with the window 22:00-07:00 in Berlin. */
async function beginsFrom(startMs: number): Promise<number[]> {
  const policy = await loadPolicy(join(packageRoot(), 'routing-policy.yaml'));
  const world = createWorld(policy);
  // Turns of the event loop in which a plan is made and an item begun.
  const time = createSimulatedTime(startMs, 40);
  const board = new SimulatedNightBoard(time, {
    ...{ world, learner: createLearner(), seed: 1, outputMedian: 280, slowness: 1, people: [], foreign: undefined },
    profiles: new Map([...world.models].map(([id, model]) => [id, profileOf(model, undefined)])),
  });
  const begins: number[] = [];
  const desk = openNightDesk({
    clock: {
      ...time,
      nowMs: () => Math.round(time.nowMs()),
      // Looks each three minutes, which is as good as each second where nothing else happens.
      after: (delayMs, callback) =>
        time.after(Math.max(delayMs, 3 * MINUTE_MS), () => {
          callback();
          time.settle();
        }),
    },
    policy,
    pace: { load: () => FIRST_PACE, save: () => undefined },
    board: {
      snapshot: board.snapshot,
      ...{ quietMs: board.quietMs, foreignShare: board.foreignShare },
      run: (_, { job }) => {
        begins.push(time.nowMs());
        const text = JSON.stringify({ custom_id: job.customId });
        const end = new Promise<never>((resolve) => {
          time.after(ITEM_MS, () => {
            resolve({ kind: 'done', text, usage: NO_USAGE, lostMs: 0 } as never);
            time.settle();
          });
        });
        return { end, stop: () => undefined };
      },
    },
  });
  time.at(startMs + MINUTE_MS, () => {
    const when = { kind: 'windows', text: '22:00-07:00 Europe/Berlin' } as const;
    const lines = Array.from({ length: 100 }, () => ({ chars: 100 }));
    desk.submit(lines, { deadlineMs: startMs + 48 * HOUR_MS, when, model: modelId('qwen3.5-4b'), minQuality: 0 });
    time.settle();
  });
  const stop = new AbortController();
  time.at(startMs + 14 * HOUR_MS, () => {
    stop.abort();
    time.settle();
  });
  await desk.runner.start();
  await time.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await desk.close();
  return begins;
}

describe('a window', () => {
  it.each([
    ['in which the clocks go back, is ten hours long', Date.UTC(2026, 9, 24, 12), 20, 6, 10],
    ['in which the clocks go forward, is eight hours long', Date.UTC(2027, 2, 27, 12), 21, 5, 8],
    ['of any other night is nine hours long', Date.UTC(2026, 10, 20, 12), 21, 6, 9],
  ])('%s, and items are begun in it alone', async (_, noonMs, opensUtc, closesUtc, hours) => {
    const midnightMs = noonMs - 12 * HOUR_MS;
    const opensMs = midnightMs + opensUtc * HOUR_MS;
    const closesMs = midnightMs + (24 + closesUtc) * HOUR_MS;
    expect(closesMs - opensMs).toBe(hours * HOUR_MS);
    const begins = await beginsFrom(opensMs - 2 * HOUR_MS);
    expect(Math.min(...begins)).toBeGreaterThanOrEqual(opensMs);
    expect(Math.min(...begins)).toBeLessThanOrEqual(opensMs + 4 * MINUTE_MS);
    expect(Math.max(...begins)).toBeLessThan(closesMs);
    expect(Math.max(...begins)).toBeGreaterThan(closesMs - ITEM_MS - 4 * MINUTE_MS);
    expect(begins.length).toBeGreaterThan(hours * 6 - 6);
  });
});
