import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlanModel, planBatch, planPages } from '../../src/batch/plan.ts';
import type { OpenJob } from '../../src/core/batch.ts';
import { modelId } from '../../src/core/ids.ts';

const job = (line: number, promptChars = 100): OpenJob => ({
  line,
  customId: `${line}`,
  promptChars,
  messageCount: 1,
  maxTokens: undefined,
  model: undefined,
});
const jobs = (count: number) => Array.from({ length: count }, (_, index) => job(index + 1, 100 + index));

type Given = {
  readonly msPerChar: number;
  readonly quality: number;
  readonly device?: string;
  readonly loadMs?: number;
};
const model = (id: string, { msPerChar, quality, device = 'cpu', loadMs = 0 }: Given): PlanModel => ({
  id: modelId(id),
  device,
  quality,
  loadMs,
  workMs: ({ promptChars }) => (promptChars > 1000 ? undefined : promptChars * msPerChar),
});
const large = model('large', { msPerChar: 10, quality: 0.9, loadMs: 1000 });
const small = model('small', { msPerChar: 1, quality: 0.5 });
const npu = model('npu', { msPerChar: 2, quality: 0.4, device: 'npu' });
const perModel = (plan: ReturnType<typeof planBatch>) => Object.fromEntries(plan.perModel);

describe('planBatch', () => {
  it('takes the best model for all where there is time', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small, large], openMs: 60_000, safety: () => 1 });
    expect(perModel(plan)).toEqual({ large: 10 });
    expect(plan.inTime).toBe(10);
    expect(plan.busyMs.get('cpu')).toBe(1000 + 10 * 1045);
  });

  it('lets as few as possible fall back where time is short, the longest first, and says so', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small, large], openMs: 8000, safety: () => 1 });
    expect(plan.inTime).toBe(10);
    expect(perModel(plan)).toEqual({ large: 6, small: 4 });
    expect(plan.order.filter(({ insteadOf }) => insteadOf === 'large').map(({ line }) => line)).toEqual([7, 8, 9, 10]);
    expect(plan.busyMs.get('cpu')).toBeLessThanOrEqual(8000);
  });

  it('runs better models first, each in one go', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small, large], openMs: 8000, safety: () => 1 });
    expect(plan.order.map((planned) => planned.model)).toEqual([...Array(6).fill('large'), ...Array(4).fill('small')]);
  });

  it('keeps the reserve it is told to keep', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small, large], openMs: 8000, safety: () => 1.5 });
    expect((plan.busyMs.get('cpu') ?? 0) * 1.5).toBeLessThanOrEqual(8000);
    expect(plan.inTime).toBe(10);
  });

  it('uses another device where the first one is full', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small, large, npu], openMs: 800, safety: () => 1 });
    expect(perModel(plan)['npu']).toBeGreaterThan(0);
    expect(plan.inTime).toBe(10);
  });

  it('counts those that will be late where nothing helps', () => {
    const plan = planBatch({ jobs: jobs(10), models: [small], openMs: 500, safety: () => 1 });
    expect(plan.inTime).toBe(4);
    expect(plan.order).toHaveLength(10);
  });

  it('runs as many at a time as a device has lanes', () => {
    const given = { jobs: jobs(10), models: [small], openMs: 600, safety: () => 1 };
    expect(planBatch(given).inTime).toBe(5);
    expect(planBatch({ ...given, lanes: new Map([['cpu', 2]]) }).inTime).toBe(10);
  });

  it('leaves the time that other batches take', () => {
    const given = { jobs: jobs(10), models: [small, large], openMs: 60_000, safety: () => 1 };
    expect(perModel(planBatch({ ...given, takenMs: new Map([['cpu', 57_000]]) }))).toEqual({ small: 9, large: 1 });
  });

  it('names what no model can take', () => {
    const plan = planBatch({ jobs: [job(1), job(2, 2000)], models: [small], openMs: 1000, safety: () => 1 });
    expect(plan.unplanned).toEqual([2]);
    expect(plan.order.map(({ line }) => line)).toEqual([1]);
  });

  it('plans nothing without models', () => {
    const plan = planBatch({ jobs: jobs(2), models: [], openMs: 1000, safety: () => 1 });
    expect([plan.order, plan.unplanned]).toEqual([[], [1, 2]]);
  });

  it('plans every job once, and never worse for more time', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 60 });
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        (chars, a, b) => {
          const given = {
            jobs: chars.map((length, index) => job(index + 1, length)),
            models: [small, large, npu],
            safety: () => 1.1,
          };
          const [less, more] = [Math.min(a, b), Math.max(a, b)].map((openMs) => planBatch({ ...given, openMs }));
          for (const plan of [less, more]) {
            expect(plan?.order.map(({ line }) => line).toSorted((x, y) => x - y)).toEqual(
              given.jobs.map(({ line }) => line),
            );
          }
          const quality = (plan: typeof less) => plan?.perModel.get(modelId('large')) ?? 0;
          expect(quality(more)).toBeGreaterThanOrEqual(quality(less));
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });

  it('plans pages as it plans the whole', async () => {
    const all = jobs(700).map((one) => ({ ...one, promptChars: 100 + ((one.line * 37) % 1200) }));
    const input = { models: [small, large, npu], openMs: 900_000, safety: () => 1.1 };
    async function* pages() {
      for (let from = 0; from < all.length; from += 250) yield all.slice(from, from + 250);
    }
    const plan = await planPages(input, pages());
    expect(plan).toEqual(planBatch({ ...input, jobs: all }));
    expect(plan.perModel.size).toBeGreaterThan(1);
    expect(plan.loadMs.get(modelId('large'))).toBe(1000);
  });

  it('plans fifty thousand jobs in the blink of an eye', () => {
    const plan = planBatch({
      jobs: jobs(50_000).map((one) => ({ ...one, promptChars: 100 + (one.line % 700) })),
      models: [small, large, npu],
      openMs: 1e8,
      safety: () => 1.1,
    });
    expect(plan.order).toHaveLength(50_000);
  });
});
