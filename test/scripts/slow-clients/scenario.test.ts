import { describe, expect, it } from 'vitest';
import { planClients } from '../../../scripts/slow-clients/scenario.ts';

const options = { clients: 500, stuck: 3, rampMs: 2000, seed: 1 };

describe('planClients', () => {
  const plan = planClients(options);
  const count = (fits: (one: (typeof plan)[number]) => boolean) => plan.filter(fits).length;

  it('lets the stuck ones ask first and everybody within the ramp', () => {
    expect(plan.slice(0, 4).map(({ reading }) => reading === 'stuck')).toEqual([true, true, true, false]);
    expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
    expect(plan.at(-1)?.atMs).toBeLessThan(2000);
  });

  it('mixes every class with every way of reading', () => {
    for (const name of ['route', 'interactive', 'quality', 'batch']) {
      for (const reading of ['fast', 'slow', 'late', 'never']) {
        expect(count((one) => one.class === name && one.reading === reading)).toBeGreaterThan(0);
      }
    }
    expect(count(({ reading }) => reading === 'slow')).toBeGreaterThan(150);
  });

  it('is the same for a seed', () => {
    expect(planClients(options)).toEqual(plan);
    expect(planClients({ ...options, seed: 2 })).not.toEqual(plan);
  });
});
