import { describe, expect, it } from 'vitest';
import { measureDecide } from '../../scripts/gateway-bench/decide-speed.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

describe('measureDecide', () => {
  it('chooses a model for every shape of request, and times nothing but the clock it is given', () => {
    expect(measureDecide(fakeClock(), true)).toEqual({ models: 12, n: 5000, p50Us: 0, p99Us: 0 });
  });
});
