import { describe, expect, it } from 'vitest';
import { modelId } from '../../../src/core/ids.ts';
import { createToDo } from '../../../src/serve/batch/to-do.ts';

const planned = (line: number, model: string, device: string) => ({
  ...{ line, model: modelId(model), device, workMs: 10, insteadOf: undefined },
});
const plan = {
  order: [planned(1, 'large', 'cpu'), planned(3, 'small', 'cpu'), planned(2, 'npu', 'npu')],
  loadMs: new Map([
    [modelId('large'), 100],
    [modelId('small'), 50],
  ]),
};

describe('what is still to be begun', () => {
  it('is taken device by device in the order of the plan', () => {
    const next = createToDo(plan);
    expect([next.size, next.devices()]).toEqual([3, ['cpu', 'npu']]);
    expect(next.take('cpu')).toMatchObject({ planned: { line: 1 }, loadMs: 100 });
    expect(next.first('cpu')?.line).toBe(3);
    expect(next.take('npu')).toMatchObject({ planned: { line: 2 }, loadMs: 0 });
    expect(next.take('npu')).toBeUndefined();
    expect([next.size, next.devices()]).toEqual([1, ['cpu']]);
  });

  it('has one that made way before all others of its device again', () => {
    const next = createToDo(plan);
    const taken = next.take('cpu')?.planned;
    const before = next.left('cpu');
    next.putBack(taken ?? planned(0, 'none', 'none'));
    expect(next.size).toBe(3);
    expect(next.left('cpu')).toMatchObject({ workMs: before.workMs + 10, squares: before.squares + 100 });
    expect([next.take('cpu'), next.take('cpu')]).toMatchObject([{ planned: { line: 1 } }, { planned: { line: 3 } }]);
    next.putBack(planned(7, 'other', 'gpu'));
    expect(next.devices()).toEqual(['cpu', 'npu', 'gpu'].slice(1));
  });

  it('counts a load until its first job is begun', () => {
    const next = createToDo(plan);
    expect(next.left('cpu')).toEqual({ workMs: 20, squares: 200, loadMs: 150 });
    expect(next.left('npu')).toEqual({ workMs: 10, squares: 100, loadMs: 0 });
    next.take('cpu');
    expect(next.left('cpu')).toEqual({ workMs: 10, squares: 100, loadMs: 50 });
    expect(next.left('gpu')).toEqual({ workMs: 0, squares: 0, loadMs: 0 });
  });
});
