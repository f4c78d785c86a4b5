import { describe, expect, it } from 'vitest';
import { createProgress } from '../../src/bench/progress.ts';
import { modelId } from '../../src/core/ids.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const [FIRST, SECOND, THIRD] = [modelId('first'), modelId('second'), modelId('third')];

describe('createProgress', () => {
  it('guesses the time left from the steps that were worked on', () => {
    const clock = fakeClock();
    const left: (number | undefined)[] = [];
    const meter = createProgress([FIRST, SECOND], 2, clock, ({ etaMs }) => left.push(etaMs));
    meter.startModel(FIRST);
    meter.step('a');
    clock.advance(1000);
    meter.step('b');
    clock.advance(1000);
    meter.startModel(SECOND);
    expect(left).toEqual([undefined, undefined, 3000, 2000]);
  });

  it('learns nothing from models that are passed over', () => {
    const clock = fakeClock();
    const left: (number | undefined)[] = [];
    const meter = createProgress([FIRST, SECOND, THIRD], 2, clock, ({ etaMs }) => left.push(etaMs));
    meter.startModel(FIRST);
    meter.startModel(SECOND);
    meter.step('a');
    clock.advance(1000);
    meter.step('b');
    expect(left).toEqual([undefined, undefined, undefined, 3000]);
  });
});
