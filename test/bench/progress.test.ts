import { describe, expect, it } from 'vitest';
import { createProgress } from '../../src/bench/progress.ts';
import { modelId } from '../../src/core/ids.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const parts = (...names: readonly string[]) => names.map((name) => ({ model: modelId(name), steps: 2 }));

describe('createProgress', () => {
  it('guesses the time left from the steps that were worked on', () => {
    const clock = fakeClock();
    const left: (number | undefined)[] = [];
    const meter = createProgress(parts('first', 'second'), clock, ({ etaMs }) => left.push(etaMs));
    meter.startPart(0);
    meter.step('a');
    clock.advance(1000);
    meter.step('b');
    clock.advance(1000);
    meter.startPart(1);
    expect(left).toEqual([undefined, undefined, 3000, 2000]);
  });

  it('a part takes no steps of the next one, and the end is the total', () => {
    const seen: number[] = [];
    const meter = createProgress(parts('first', 'second'), fakeClock(), ({ done }) => seen.push(done));
    for (const step of ['a', 'b', 'c']) meter.step(step);
    meter.startPart(1);
    for (const step of ['a', 'b', 'c']) meter.step(step);
    meter.finish();
    expect(seen).toEqual([0, 1, 2, 2, 2, 3, 4, 4]);
  });

  it('learns nothing from models that are passed over', () => {
    const clock = fakeClock();
    const left: (number | undefined)[] = [];
    const meter = createProgress(parts('first', 'second', 'third'), clock, ({ etaMs }) => left.push(etaMs));
    meter.startPart(0);
    meter.startPart(1);
    meter.step('a');
    clock.advance(1000);
    meter.step('b');
    expect(left).toEqual([undefined, undefined, undefined, 3000]);
  });
});
