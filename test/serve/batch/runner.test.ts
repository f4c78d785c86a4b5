import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openNightDesk } from '../../../scripts/batch-proof/night-desk.ts';
import { FIRST_PACE } from '../../../src/batch/pace.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import type { LaneView, ModelView, Snapshot } from '../../../src/core/snapshot.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import type { ItemEnd } from '../../../src/serve/batch/item.ts';
import { NO_USAGE } from '../../../src/store/job-queue.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { until } from '../../helpers/until.ts';
import { laneEntry, laneView, measured, modelFacts, snapshotOf } from '../../route/small-policy.ts';

type Begun = { readonly line: number; readonly model: string; readonly finish: (end: ItemEnd) => void };

let close: () => Promise<void> = async () => undefined;
afterEach(() => close());

/** A batch of five lines on a board with two models, of which items run as long as the test wants. */
async function setUp() {
  const clock = fakeClock();
  const policy = await loadPolicy(join(packageRoot(), 'routing-policy.yaml'));
  const view = { profile: measured({ prefill: 10, decode: 2 }), facts: modelFacts(), memoryBytes: 1 };
  const models: Record<string, Partial<ModelView>> = { 'qwen3.5-4b': view, 'qwen3.5-9b': view };
  const people = new Map<string, LaneView>();
  const begun: Begun[] = [];
  let snapshots = 0;
  const snapshot = (): Snapshot => {
    snapshots += 1;
    return { ...snapshotOf(models), nowMs: clock.nowMs(), lanes: people };
  };
  const desk = openNightDesk({
    ...{ clock, policy, pace: { load: () => FIRST_PACE, save: () => undefined } },
    board: {
      ...{ snapshot, quietMs: () => 3_600_000, foreignShare: () => 0 },
      run: (_, { job, model }) => {
        let finish: (end: ItemEnd) => void = () => undefined;
        const end = new Promise<ItemEnd>((resolve) => {
          finish = resolve;
        });
        begun.push({ line: job.line, model, finish });
        const error = new Error('stopped') as never;
        return { end, stop: () => finish({ kind: 'later', error }) };
      },
    },
  });
  close = desk.close;
  await desk.runner.start();
  const lines = Array.from({ length: 5 }, () => ({ chars: 400 }));
  const request = { deadlineMs: clock.nowMs() + 86_400_000, when: { kind: 'now' }, model: undefined, minQuality: 0 };
  const id = desk.submit(lines, request as Parameters<typeof desk.submit>[1]);
  /** Lets another look come that is due by time. */
  const look = async () => {
    const before = snapshots;
    clock.advance(1000);
    await until('a look', () => snapshots > before);
  };
  const count = (items: number) => until(`${items} begun`, () => begun.length === items);
  return { clock, desk, id, people, begun, look, count };
}

const done: ItemEnd = { kind: 'done', text: '{"custom_id":"x"}', usage: NO_USAGE, lostMs: 0 };

describe('createBatchRunner', () => {
  it('begins one item after another, and none while people run or wait on its device', async () => {
    const { people, begun, look, count } = await setUp();
    await count(1);
    people.set('cpu', laneView('cpu', { running: [laneEntry({ class: 'interactive' })] }));
    begun[0]?.finish(done);
    await look();
    await look();
    expect(begun).toHaveLength(1);
    people.clear();
    await look();
    await count(2);
    expect(begun[1]?.line).not.toBe(begun[0]?.line);
  });

  it('goes on with the item that made way, on the same model, once its lane is free', async () => {
    const { people, begun, look, count, desk, id } = await setUp();
    await count(1);
    people.set('cpu', laneView('cpu', { running: [laneEntry({ class: 'interactive' })] }));
    begun[0]?.finish({ kind: 'preempted', lostMs: 700, partial: 'kept' });
    await look();
    people.clear();
    await look();
    await count(2);
    expect(begun[1]).toMatchObject({ line: begun[0]?.line, model: begun[0]?.model });
    expect(desk.batch(id)).toMatchObject({ preempted: 1, lostMs: 700 });
  });
});
