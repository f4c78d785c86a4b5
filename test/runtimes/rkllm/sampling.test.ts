import { describe, expect, it } from 'vitest';
import { greedyWhereCold, SAMPLING_DEFAULTS } from '../../../runtimes/rkllm/load-params.ts';
import { chooseSampling } from '../../../runtimes/rkllm/sampling.ts';

describe('chooseSampling', () => {
  it('leaves everything as loaded where the request sets nothing', () => {
    for (const profile of ['1.2', '1.3'] as const) {
      expect(chooseSampling(profile, { top_k: 20 }, { messages: [] })).toEqual({ sampling: undefined, ignored: [] });
    }
  });

  it('lays the request over the policy over the defaults on 1.3', () => {
    expect(chooseSampling('1.3', { top_k: 20, top_p: 0.95 }, { top_p: 0.5 }).sampling).toEqual({
      ...SAMPLING_DEFAULTS,
      top_k: 20,
      top_p: 0.5,
    });
  });

  it('tells on 1.2 what differs from the load, and not what agrees with it', () => {
    const body = { temperature: 0.6, top_p: 0.5, frequency_penalty: 0 };
    expect(chooseSampling('1.2', { temperature: 0.6 }, body)).toEqual({ sampling: undefined, ignored: ['top_p'] });
  });

  it('tells fields that the library has no word for, and null is no value', () => {
    expect(chooseSampling('1.3', {}, { seed: 1, min_p: null, logit_bias: {} }).ignored).toEqual(['seed', 'logit_bias']);
  });

  it('says temperature 0 by top_k 1', () => {
    expect(chooseSampling('1.3', {}, { temperature: 0 }).sampling).toMatchObject({ top_k: 1, temperature: 1 });
    expect(greedyWhereCold({ temperature: 0.5, top_k: 9 })).toEqual({ temperature: 0.5, top_k: 9 });
  });
});
