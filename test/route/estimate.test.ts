import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { Profile } from '../../src/core/profile.ts';
import { completeProfile } from '../../src/route/estimate.ts';
import { measured, modelFacts } from './small-policy.ts';

const none: Profile = {};

describe('completeProfile', () => {
  it.each([
    // Published RK3588 CPU figures (prompt tok/s, decode tok/s); the law was fitted to them.
    [0.8, 25.11, 8.07],
    [2, 16.18, 5.54],
    [4, 9.73, 2.48],
    [9, 6.48, 1.62],
    [27, 1.91, 0.54],
  ])('the size law is within 30 %% of the published %sB', (billion, prefill, decode) => {
    const profile = completeProfile({}, modelFacts({ parametersBillion: billion }), modelId('m'));
    expect(Math.abs(profile.prefillTokensPerSec.value / prefill - 1)).toBeLessThan(0.3);
    expect(Math.abs(profile.decodeTokensPerSec.value / decode - 1)).toBeLessThan(0.3);
    expect(profile.decodeTokensPerSec.provenance).toBe('estimated');
  });

  it('a complete profile is returned as it is', () => {
    const profile = measured({ prefill: 10, decode: 5 });
    expect(completeProfile(profile, undefined, modelId('m'))).toBe(profile);
  });

  it('figures that exist are kept and only gaps are filled', () => {
    const { decodeTokensPerSec } = measured({ prefill: 10, decode: 5 });
    const profile = completeProfile({ decodeTokensPerSec }, modelFacts(), modelId('m'));
    expect(profile.decodeTokensPerSec).toBe(decodeTokensPerSec);
    expect(profile.prefillTokensPerSec.provenance).toBe('estimated');
  });

  it('size comes from metadata, else the name, else the file, else counts as 4B', () => {
    const sourceOf = (facts: Parameters<typeof modelFacts>[0] | undefined, id: string) =>
      completeProfile({}, facts && modelFacts(facts), modelId(id)).decodeTokensPerSec.source;
    expect(sourceOf({ parametersBillion: 9 }, 'x-2b')).toContain('B = 9 (model metadata)');
    expect(sourceOf({ parametersBillion: undefined }, 'x-2b')).toContain('B = 2 (name)');
    expect(sourceOf({ parametersBillion: undefined, weightsBytes: 4.5e9 }, 'x')).toContain('B = 8 (file size');
    expect(sourceOf(undefined, 'x')).toContain('B = 4 (size unknown)');
  });

  it('load time is a start and the file at 150 MB/s', () => {
    expect(completeProfile({}, modelFacts({ weightsBytes: 3e9 }), modelId('m')).loadMs.value).toBeCloseTo(20_500);
  });

  it('models that share an empty profile do not share estimates', () => {
    const small = completeProfile(none, modelFacts({ parametersBillion: 1 }), modelId('small'));
    const big = completeProfile(none, modelFacts({ parametersBillion: 27 }), modelId('big'));
    expect(small.decodeTokensPerSec.value).toBeGreaterThan(10 * big.decodeTokensPerSec.value);
  });

  it('the same profile and facts give the same object, new facts a new one', () => {
    const facts = modelFacts();
    const first = completeProfile(none, facts, modelId('same'));
    expect(completeProfile(none, facts, modelId('same'))).toBe(first);
    expect(completeProfile(none, modelFacts({ parametersBillion: 9 }), modelId('same'))).not.toBe(first);
  });
});
