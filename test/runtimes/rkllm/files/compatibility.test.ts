import { describe, expect, it } from 'vitest';
import { checkCompatibility } from '../../../../runtimes/rkllm/files/compatibility.ts';
import { findSoc, SOCS } from '../../../../runtimes/rkllm/files/soc.ts';

const codes = (facts: object, soc: string, runtimeVersion?: string) =>
  checkCompatibility(facts, { soc: findSoc(soc), runtimeVersion }).map(({ code }) => code);

describe('checkCompatibility', () => {
  it.each([
    [
      'a fitting file',
      { soc: 'rk3588', npuCores: 3, dtype: 'w8a8_g128', toolkitVersion: '1.2.3' },
      'rk3588',
      '1.2.3',
      [],
    ],
    ['a file that tells nothing', {}, 'rk3562', undefined, []],
    ['an older toolkit', { toolkitVersion: '1.1.4' }, 'rk3588', '1.3.0', []],
    ['another chip’s file', { soc: 'rk3576' }, 'rk3588', undefined, ['soc_mismatch']],
    ['three cores on an RK3576', { npuCores: 3 }, 'rk3576', undefined, ['too_many_cores']],
    ['two cores on an RK3562', { npuCores: 2 }, 'rk3562', undefined, ['too_many_cores']],
    ['two cores on an RK3588', { npuCores: 2 }, 'rk3588', undefined, []],
    ['four bits on an RK3588', { dtype: 'w4a16' }, 'rk3588', undefined, ['dtype_unsupported']],
    ['four bits on an RK3576', { dtype: 'w4a16_g64' }, 'rk3576', undefined, []],
    ['grouped eight bits on an RK3576', { dtype: 'w8a8_g128' }, 'rk3576', undefined, ['dtype_unsupported']],
    ['a newer toolkit', { toolkitVersion: '1.3.0' }, 'rk3588', '1.2.3', ['toolkit_newer']],
    [
      'a release made with a later one than the beta',
      { toolkitVersion: '1.2.1' },
      'rk3588',
      '1.2.1b1',
      ['toolkit_newer'],
    ],
    ['an unknown toolkit', { toolkitVersion: 'unknown' }, 'rk3588', '1.2.3', []],
    ['an RK3588’s file on two cores of an RK3583', { soc: 'rk3588', npuCores: 2 }, 'rk3583', undefined, []],
    [
      'an RK3588’s file for three cores on an RK3583',
      { soc: 'rk3588', npuCores: 3 },
      'rk3583',
      undefined,
      ['too_many_cores'],
    ],
    [
      'everything at once',
      { soc: 'rk3576', npuCores: 4, dtype: 'w4a16', toolkitVersion: '2.0.0' },
      'rk3588',
      '1.3.0',
      ['soc_mismatch', 'too_many_cores', 'dtype_unsupported', 'toolkit_newer'],
    ],
  ])('%s', (_, facts, soc, runtime, expected) => {
    expect(codes(facts, soc, runtime)).toEqual(expected);
  });

  it('a machine without an NPU runs none', () => {
    expect(checkCompatibility({}, { soc: undefined, runtimeVersion: undefined })).toMatchObject([
      { code: 'soc_unsupported', remedy: expect.stringContaining('llama-server') },
    ]);
  });

  it('says both sides and what to do', () => {
    const [fault] = checkCompatibility({ npuCores: 3 }, { soc: findSoc('rk3576'), runtimeVersion: undefined });
    expect(fault).toEqual({
      code: 'too_many_cores',
      reason: 'the file wants 3 NPU cores, RK3576 has 2',
      remedy: 'convert it again with num_npu_core 2',
    });
  });
});

describe('findSoc', () => {
  it.each(SOCS.map(({ id, npuCores }) => [id, npuCores]))('%s has %i cores', (id, cores) => {
    expect(findSoc(`rockchip,${id}`)).toMatchObject({ id, npuCores: cores });
  });

  it('reads the RK3588S as an RK3588 and nothing into other names', () => {
    expect(findSoc('RK3588S')?.id).toBe('rk3588');
    expect(findSoc('rk3399')).toBeUndefined();
    expect(findSoc('xrk35881')).toBeUndefined();
  });
});
