import { describe, expect, it } from 'vitest';
import type { FoundModel } from '../../src/init/find-model-files.ts';
import { type MachineFacts, readMachineFacts } from '../../src/init/machine-facts.ts';
import { chooseLaunch, planPolicy } from '../../src/init/plan-policy.ts';
import { writePolicy } from '../../src/init/write-policy.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { BOARD_MODELS, foundModel, foundNpuModel } from './found-models.ts';
import { RK3588_FILES, writeSysroot, X86_FILES } from './sysroots.ts';

const machineOf = (files: Readonly<Record<string, string>>) =>
  readMachineFacts({ sysroot: writeSysroot(files), environment: {} });

function written(machine: MachineFacts, models: readonly FoundModel[]) {
  const plan = planPolicy(machine, {
    models,
    unused: [{ file: '/srv/models/half.gguf', reason: 'it ends\ntoo early' }],
  });
  const text = writePolicy(plan, { folder: '/srv', modelFolder: '/srv/models' });
  return { plan, text, policy: parsePolicy(text, '/srv/routing-policy.yaml') };
}

describe('the policy for a machine', () => {
  it('fits an RK3588 with 24 GB and the models of the shipped policy', async () => {
    const { text, policy, plan } = written(await machineOf(RK3588_FILES), BOARD_MODELS);
    await expect(text).toMatchFileSnapshot('../fixtures/init/rk3588.yaml');
    expect(policy.models.size).toBe(BOARD_MODELS.length);
    expect(plan.routeModel).toBe('qwen3-1.7b');
    const keeps = Object.fromEntries(plan.models.map(({ found, keep, classes }) => [found.id, [keep, classes]]));
    expect(keeps).toMatchObject({
      'qwen3-1.7b': ['resident', undefined],
      'qwen3.5-4b': ['resident', undefined],
      'qwen3.5-9b': ['idle', undefined],
      'qwen3.5-27b': ['soon', ['batch']],
    });
  });

  it('fits a PC with 16 GB: no NPU, and what does not fit the memory is declared and disabled', async () => {
    const { text, policy, plan } = written(await machineOf(X86_FILES), BOARD_MODELS);
    await expect(text).toMatchFileSnapshot('../fixtures/init/x86.yaml');
    expect([...policy.models.values()].filter(({ enabled }) => !enabled).map(({ id }) => id)).toEqual(['qwen3.5-27b']);
    expect(plan.unused.map(({ file }) => file)).toContain('/srv/models/npu/qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm');
    expect(policy.devices.has('npu')).toBe(false);
  });

  it('without models is valid all the same and says where to put them', async () => {
    const { text, policy } = written(await machineOf({}), []);
    expect(policy.models.size).toBe(0);
    expect(text).toContain('No model files were found in /srv/models');
    expect(text).toContain('# not used: models/half.gguf: it ends too early');
  });

  it('lowers the floors where every model is small', async () => {
    const { plan } = written(await machineOf(X86_FILES), [foundModel('small-1b', 1, 1.5e9)]);
    expect(plan.floors).toEqual({ interactive: 0, quality: 0 });
    expect(plan.routeModel).toBe('small-1b');
  });

  it('declares vectors and scores as such', async () => {
    const models = [
      foundModel('embed-0.6b', 0.6, 1e9, { purpose: 'embeddings' }),
      foundModel('rank-0.6b', 0.6, 1e9, { purpose: 'rerank' }),
      foundModel('eyes-4b', 4, 5e9, { mmproj: '/srv/models/mmproj-eyes.gguf' }),
    ];
    const { policy } = written(await machineOf(X86_FILES), models);
    const settings = [...policy.models.values()].map((model) => [model.id, model.settings] as const);
    expect(Object.fromEntries(settings)).toMatchObject({
      'embed-0.6b': { embeddings: true },
      'rank-0.6b': { rerank: true },
      'eyes-4b': { mmproj: '/srv/models/mmproj-eyes.gguf' },
    });
  });

  it('disables an NPU model of another chip and names the remedy', async () => {
    const { plan } = written(await machineOf(RK3588_FILES), [foundNpuModel('qwen3-4b-w4a16-rk3576', 4, 4e9)]);
    expect(plan.models[0]).toMatchObject({
      enabled: false,
      why: expect.stringMatching(/converted for RK3576.*RK3588/),
    });
  });

  it.each([
    ['an old driver', { 'sys/kernel/debug/rknpu/version': 'RKNPU driver: v0.8.2\n' }, /0\.8\.2 is older than 0\.9\.7/],
    ['no library', { 'usr/lib/librkllmrt.so': undefined }, /librkllmrt\.so is not installed/],
  ])('keeps NPU models declared with %s, and says what is missing', async (_, change, reason) => {
    const files = Object.entries({ ...RK3588_FILES, ...change }).filter(([, text]) => text !== undefined);
    const { plan, policy } = written(await machineOf(Object.fromEntries(files) as Record<string, string>), [
      foundNpuModel('qwen3-1.7b-w8a8-ctx4096-rk3588', 1.7, 2e9),
    ]);
    expect(plan.models[0]).toMatchObject({ enabled: true, why: expect.stringMatching(reason) });
    expect(policy.runtimes.size).toBe(2);
  });

  it('cannot be broken by what files are called', async () => {
    const model = { ...foundModel('true', 4, 5e9), file: '/srv/models/a: "b" # c\n- {d}.gguf' };
    const { policy } = written(await machineOf(X86_FILES), [model]);
    expect([...policy.models.values()].map(({ id, file }) => [id, file])).toEqual([['true', model.file]]);
  });
});

describe('chooseLaunch', () => {
  it('takes the big cores of a chip that was not tuned', async () => {
    const machine = await machineOf(RK3588_FILES);
    const clusters = [
      { cpus: [4, 5, 6, 7], maxKhz: 2_200_000 },
      { cpus: [0, 1, 2, 3], maxKhz: 1_400_000 },
    ];
    const other = { ...machine, clusters, npu: undefined };
    expect(chooseLaunch(other)).toMatchObject({ threads: 4, cpus: [4, 5, 6, 7], cpuOnly: false });
  });
});
