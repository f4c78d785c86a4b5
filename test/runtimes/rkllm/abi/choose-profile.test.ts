import { describe, expect, it } from 'vitest';
import { chooseProfile } from '../../../../runtimes/rkllm/abi/choose-profile.ts';

describe('chooseProfile', () => {
  it.each([
    ['1.2.1', '1.2'],
    ['1.2.2', '1.2'],
    ['1.2.3', '1.2'],
    ['1.3.0', '1.3'],
    ['1.3.1', '1.3'],
  ])('takes %s for profile %s', (version, profile) => {
    expect(chooseProfile(version, undefined)).toEqual({ kind: 'profile', profile });
  });

  it.each(['1.0.1', '1.1.4', '1.2.0', '1.2.1b1'])(
    'refuses %s with the upgrade, even when told otherwise',
    (version) => {
      for (const override of [undefined, '1.2'] as const) {
        const choice = chooseProfile(version, override);
        expect(choice).toMatchObject({ kind: 'refused', reason: expect.stringContaining(`${version} is too old`) });
        expect(choice).toMatchObject({ remedy: expect.stringContaining('install librkllmrt') });
      }
    },
  );

  it.each(['1.2.4', '1.4.0', '2.0.0'])('refuses %s until the policy says what it is like', (version) => {
    expect(chooseProfile(version, undefined)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(version),
      remedy: expect.stringContaining('settings.abi'),
    });
    expect(chooseProfile(version, '1.3')).toEqual({ kind: 'profile', profile: '1.3' });
  });

  it('refuses a library without a version, with the same way out', () => {
    expect(chooseProfile(undefined, undefined)).toMatchObject({ reason: expect.stringContaining('no version') });
    expect(chooseProfile(undefined, '1.2')).toEqual({ kind: 'profile', profile: '1.2' });
  });
});
