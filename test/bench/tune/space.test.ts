import { describe, expect, it } from 'vitest';
import { hasQuantizedValues, settingsInForce, writtenSettings } from '../../../src/bench/tune/settings.ts';
import { allArms, cpuGroups, currentArm, type NarrowedAxes, tuneSpace } from '../../../src/bench/tune/space.ts';
import type { RuntimeSettings } from '../../../src/core/policy.ts';

const RK3588 = [
  { cpus: [0, 1, 2, 3], maxKhz: 1_800_000 },
  { cpus: [4, 5], maxKhz: 2_256_000 },
  { cpus: [6, 7], maxKhz: 2_304_000 },
];
const ALL = [0, 1, 2, 3, 4, 5, 6, 7];
/** The winners of the reference board's sweep. */
const REFERENCE: RuntimeSettings = {
  ...{ cpus: ALL, threads: 6, flashAttention: 'on', cacheTypeK: 'f16', cacheTypeV: 'f16' },
  ...{ loadMode: 'mmap', batch: 64, ubatch: 64 },
};

const space = (
  settings: RuntimeSettings,
  narrowed: NarrowedAxes = {},
  kind = 'llama-server',
  clusters: Parameters<typeof cpuGroups>[0] = RK3588,
) => tuneSpace({ kind, inForce: settingsInForce(settings, kind), clusters, narrowed });
const values = (given: ReturnType<typeof space>, name: string) =>
  given.axes.find((axis) => axis.name === name)?.values.map((value) => writtenSettings(value));

describe('tuneSpace', () => {
  it('holds the winner of the reference board as one of its arms', () => {
    const reference = space(REFERENCE);
    const current = currentArm(reference);
    expect(current.id).toBe('CPUs 0-7, 6 threads, fa on, kv f16/f16, batch 64, mmap');
    expect(current.settings).toEqual({});
    expect(
      allArms(reference)
        .filter(({ id }) => id === current.id)
        .map(({ at }) => at),
    ).toEqual([current.at]);
  });

  it('offers all, the fast and the slow CPUs, and threads for each', () => {
    expect(values(space(REFERENCE), 'affinity')).toEqual([{ cpus: '0-7' }, { cpus: '4-7' }, { cpus: '0-3' }]);
    expect(values(space(REFERENCE), 'threads')?.map(({ threads }) => threads)).toEqual([2, 3, 4, 6, 8]);
    const two = space({}, {}, 'llama-server', [{ cpus: [0, 1], maxKhz: undefined }]);
    expect(values(two, 'affinity')).toEqual([{}]);
    expect(values(two, 'threads')?.map(({ threads }) => threads)).toEqual([1, 2]);
  });

  it('never starts more threads than CPUs, and quantizes values only with flash attention', () => {
    const arms = allArms(space(REFERENCE));
    for (const { settings } of arms) {
      expect(settings.threads).toBeLessThanOrEqual(settings.cpus?.length ?? 0);
      if (hasQuantizedValues(settings)) expect(settings.flashAttention).toBe('on');
    }
    expect(arms.some(({ settings }) => settings.flashAttention === 'off' && settings.cacheTypeK === 'q8_0')).toBe(true);
    expect(new Set(arms.map(({ id }) => id)).size).toBe(arms.length);
  });

  it('tries the values in force together with others, whatever they are', () => {
    const odd = space({ threads: 5, batch: 2048, ubatch: 512 });
    expect(values(odd, 'threads')?.at(-1)).toEqual({ threads: 5 });
    expect(values(odd, 'batch')?.at(-1)).toEqual({ batch: 2048, ubatch: 512 });
    expect(currentArm(odd).id).toBe('all CPUs, 5 threads, fa auto, kv f16/f16, batch 2048/512, mmap');
    // `auto` is one of on and off, and no place of its own.
    expect(currentArm(odd).at).toEqual([0, 5, -1, 0, 4, 0]);
  });

  it('takes a list that names the same CPUs of this machine for the one in force', () => {
    const small = space(REFERENCE, {}, 'llama-server', [{ cpus: [0, 1], maxKhz: undefined }]);
    expect(values(small, 'affinity')).toEqual([{ cpus: '0-7' }]);
  });

  it('is narrowed to what is asked for, and keeps the settings in force as an arm', () => {
    const narrow = space(REFERENCE, {
      affinity: [[4, 5, 6, 7]],
      threads: [2, 4],
      flashAttention: ['on'],
      kv: [{ k: 'q8_0', v: 'q4_0' }],
      batch: [{ batch: 512, ubatch: 128 }],
      loadMode: ['mlock'],
    });
    expect(allArms(narrow).map(({ id }) => id)).toEqual([
      'CPUs 4-7, 2 threads, fa on, kv q8_0/q4_0, batch 512/128, mlock',
      'CPUs 4-7, 4 threads, fa on, kv q8_0/q4_0, batch 512/128, mlock',
    ]);
    expect(currentArm(narrow).at).toEqual([-1, -1, 0, -1, -1, -1]);
  });

  it('searches the context only where values are given', () => {
    expect(values(space(REFERENCE), 'context')).toBeUndefined();
    expect(values(space(REFERENCE, { context: [512, 2048] }), 'context')).toEqual([
      { context: 512 },
      { context: 2048 },
    ]);
  });

  it('gives NPU models their masks and embedding table', () => {
    const npu = space({ cpuMask: 0xf0, embedFlash: true }, {}, 'rkllm');
    expect(currentArm(npu).id).toBe('mask 0xf0, embed flash on');
    expect(allArms(npu).map(({ id }) => id)).toEqual([
      'mask 0xff, embed flash on',
      'mask 0xff, embed flash off',
      'mask 0xf0, embed flash on',
      'mask 0xf0, embed flash off',
      'mask 0xf, embed flash on',
      'mask 0xf, embed flash off',
    ]);
  });

  it('says which settings a kind has', () => {
    expect(() => space({}, { threads: [4] }, 'rkllm')).toThrow(
      '--threads is no setting of rkllm models; they have --affinity, --embed-flash, --context',
    );
    expect(() => space({}, {}, 'simulated')).toThrow('runtimes of kind simulated have no settings to tune');
  });
});

describe('cpuGroups', () => {
  it('counts clusters of nearly one clock as one', () => {
    expect(cpuGroups(RK3588)).toEqual({ all: ALL, big: [4, 5, 6, 7], little: [0, 1, 2, 3] });
    expect(cpuGroups([{ cpus: [0, 1], maxKhz: undefined }])).toMatchObject({ big: undefined, little: undefined });
  });
});

describe('cacheToCheck', () => {
  it('is set where a cache is quantized that is not quantized now', () => {
    const checked = (settings: RuntimeSettings) =>
      new Set(allArms(space(settings)).flatMap(({ cacheToCheck }) => cacheToCheck ?? []));
    expect(checked(REFERENCE)).toEqual(new Set(['f16/q8_0', 'q8_0/f16', 'q8_0/q8_0', 'q8_0/q4_0', 'q4_0/q4_0']));
    expect(checked({ ...REFERENCE, cacheTypeK: 'q8_0', cacheTypeV: 'q8_0' }).has('q8_0/q8_0')).toBe(false);
  });
});
