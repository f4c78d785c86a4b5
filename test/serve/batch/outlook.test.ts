import { describe, expect, it } from 'vitest';
import { FIRST_PACE, reserveOf } from '../../../src/batch/pace.ts';
import type { Batch } from '../../../src/core/batch.ts';
import { modelId } from '../../../src/core/ids.ts';
import type { Policy } from '../../../src/core/policy.ts';
import type { CurrentPlan } from '../../../src/serve/batch/current-plan.ts';
import { predict } from '../../../src/serve/batch/outlook.ts';
import { createToDo } from '../../../src/serve/batch/to-do.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

const HOUR_MS = 3_600_000;
const clock = fakeClock();
const parts = {
  clock,
  policy: () => ({ devices: new Map([['cpu', { id: 'cpu', lanes: 1 }]]), batch: { windows: [] } }) as unknown as Policy,
};

function plan(jobs: number, given: Partial<CurrentPlan> = {}): CurrentPlan {
  const order = Array.from({ length: jobs }, (_, index) => ({
    ...{ line: index + 1, model: modelId('m'), device: 'cpu', workMs: HOUR_MS / jobs, insteadOf: undefined },
  }));
  const request = { when: { kind: 'now' }, deadlineMs: clock.nowMs() + 4 * HOUR_MS };
  return {
    batch: { request } as unknown as Batch,
    ...{
      busyMs: new Map(),
      inTime: jobs,
      perModel: new Map(),
      staleMs: 0,
      size: jobs,
      unplanned: 0,
      isShort: false,
      marginMs: 0,
    },
    expectedMs: () => undefined,
    next: createToDo({ order, loadMs: new Map([[modelId('m'), 60_000]]) }),
    takenMs: new Map(),
    ...given,
  };
}
const reserve = reserveOf(FIRST_PACE);
const hours = (finish: string | null) => (Date.parse(finish ?? '') - clock.nowMs()) / HOUR_MS;

describe('predict', () => {
  it('adds up what is left, loads and what is under way', () => {
    const { predictedFinish, promised } = predict(parts, {
      plan: plan(100),
      running: [{ device: 'cpu', restMs: HOUR_MS / 4 }],
      reserve,
    });
    expect(hours(predictedFinish)).toBeCloseTo(1.25 + 1 / 60, 3);
    expect(promised).toBe(true);
  });

  it('comes after batches whose deadline is earlier', () => {
    const { predictedFinish } = predict(parts, {
      plan: plan(100, { takenMs: new Map([['cpu', 2 * HOUR_MS]]) }),
      running: [],
      reserve,
    });
    expect(hours(predictedFinish)).toBeCloseTo(3 + 1 / 60, 3);
  });

  it('promises less of few answers than of many', () => {
    const takenMs = new Map([['cpu', HOUR_MS]]);
    expect(predict(parts, { plan: plan(1, { takenMs }), running: [], reserve }).promised).toBe(false);
    expect(predict(parts, { plan: plan(100, { takenMs }), running: [], reserve }).promised).toBe(true);
  });

  it('expects a batch that is short of time to use most of it', () => {
    const { predictedFinish } = predict(parts, { plan: plan(100, { isShort: true }), running: [], reserve });
    expect(hours(predictedFinish)).toBeCloseTo(3.48, 3);
  });

  it('promises nothing where no model can take a job', () => {
    const none = predict(parts, { plan: plan(100, { unplanned: 1 }), running: [], reserve });
    expect(none).toEqual({ predictedFinish: null, promised: false });
  });
});
