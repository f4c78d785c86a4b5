import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRkllmAdapter } from '../../../runtimes/rkllm/adapter.ts';
import { explainExit } from '../../../runtimes/rkllm/explain-exit.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { runtimeId } from '../../../src/core/ids.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import type { ModelPolicy, RuntimePolicy } from '../../../src/core/policy.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { writeStandIn } from './npu-bed.ts';

/** Files of a board under a root of their own. */
function board(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const RK3588 = { 'proc/device-tree/compatible': 'youyeetoo,r1\0rockchip,rk3588s\0' };
const DRIVER = { 'sys/kernel/debug/rknpu/version': 'RKNPU driver: v0.9.8\n' };

const runtime = (library: string | undefined): RuntimePolicy => ({
  id: runtimeId('npu'),
  kind: 'rkllm',
  device: 'npu',
  binary: undefined,
  benchBinary: undefined,
  library,
  settings: {},
});

/** A file that a version scan takes for Rockchip's library. */
function libraryFile(version = '1.2.3'): string {
  const path = join(temporaryFolder(), 'librkllmrt.so');
  writeFileSync(path, `\x7fELF…RKLLM SDK (version: ${version} (abcdef@2025-11-24))\0`);
  return path;
}

function modelFile(name: string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, Buffer.alloc(2_000_000, 1));
  return path;
}

type Case = {
  readonly library?: string;
  readonly file?: string;
  readonly sysroot?: string;
  readonly model?: Partial<ModelPolicy>;
};

function inspect({ library = libraryFile(), file = modelFile('qwen3-0.6b-w8a8-rk3588.rkllm'), sysroot, model }: Case) {
  const root = sysroot ?? board({ ...RK3588, ...DRIVER });
  const adapter = createRkllmAdapter({ clock: systemClock, environment: {}, sysroot: root });
  return adapter.inspect(modelPolicy('npu', { runtime: runtimeId('npu'), file, ...model }), runtime(library));
}

describe('inspect', () => {
  it('takes a board with library, driver and file for what it is', async () => {
    const { availability, facts, runtimeVersion } = await inspect({});
    expect(availability).toEqual({ kind: 'available' });
    expect(runtimeVersion).toBe('1.2.3');
    expect(facts).toMatchObject({
      weightsBytes: 2_000_000,
      parametersBillion: 0.6,
      quantization: 'w8a8',
      contextTokens: 4096,
      capabilities: { streaming: true, tools: true, jsonSchema: false, embeddings: false, logprobs: false },
    });
  });

  it.each<[string, () => Case, RegExp, RegExp]>([
    ['no library', () => ({ library: '/nowhere/librkllmrt.so' }), /no library \/nowhere/, /runtimes\.npu\.library/],
    ['an old library', () => ({ library: libraryFile('1.1.4') }), /1\.1\.4 is too old/, /install librkllmrt/],
    ['an unknown library', () => ({ library: libraryFile('1.9.0') }), /1\.9\.0, which is not known/, /settings\.abi/],
    ['no driver', () => ({ sysroot: board(RK3588) }), /no NPU driver/, /kernel 6\.1/],
    [
      'an old driver',
      () => ({ sysroot: board({ ...RK3588, 'sys/module/rknpu/version': '0.8.2\n' }) }),
      /NPU driver 0\.8\.2 is older than 0\.9\.7/,
      /kernel 6\.1/,
    ],
    [
      'the mainline driver',
      () => ({ sysroot: board({ ...RK3588, 'sys/module/rocket/initstate': 'live' }) }),
      /mainline NPU driver/,
      /kernel 6\.1/,
    ],
    ['no file', () => ({ file: '/nowhere/m.rkllm' }), /no model file \/nowhere\/m\.rkllm/, /models\.npu\.file/],
    ['a file for another chip', () => ({ file: modelFile('qwen3-0.6b-w8a8-rk3576.rkllm') }), /RK3576/, /convert/],
    [
      'a stand-in on real hardware',
      () => ({ file: writeStandIn(join(temporaryFolder(), 'm.rkllm')) }),
      /stand-in/,
      /\.rkllm/,
    ],
    [
      'a model nobody has a template for',
      () => ({ file: modelFile('mystery-w8a8-rk3588.rkllm') }),
      /no chat template/,
      /settings\.template/,
    ],
    [
      'a LoRA adapter that is not there',
      () => ({ model: { settings: { lora: { poet: '/nowhere/poet.rkllm' } } } }),
      /adapter poet is missing/,
      /settings\.lora/,
    ],
  ])('keeps a model away with %s, saying why and what helps', async (_, make, reason, remedy) => {
    const { availability } = await inspect(make());
    expect(availability).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringMatching(reason),
      remedy: expect.stringMatching(remedy),
    });
  });

  it('finds every NPU model of the shipped policy available once library, driver and files are there', async () => {
    const { models } = await loadPolicy(join(packageRoot(), 'routing-policy.yaml'));
    const onNpu = [...models.values()].filter((model) => model.runtime === 'npu');
    expect(onNpu.length).toBeGreaterThan(1);
    for (const model of onNpu) {
      const there = await inspect({ file: modelFile(basename(model.file)), model: { settings: model.settings } });
      expect([model.id, there.availability]).toEqual([model.id, { kind: 'available' }]);
      expect((await inspect({ file: model.file })).availability.kind).toBe('unavailable');
    }
  });

  it("takes the operator's word for an unknown library", async () => {
    const model = { settings: { abi: '1.3' } } as const;
    expect((await inspect({ library: libraryFile('1.9.0'), model })).availability).toEqual({ kind: 'available' });
  });

  it('asks the simulator for neither driver nor chip, and calls it simulated', async () => {
    const given = { library: await buildSimulator('1.3.0'), sysroot: board({}) };
    const standIn = writeStandIn(join(temporaryFolder(), 'm.rkllm'), { context: 2048 });
    const { availability, facts, runtimeVersion } = await inspect({ ...given, file: standIn });
    expect(availability).toEqual({ kind: 'available' });
    expect(facts?.contextTokens).toBe(2048);
    expect(runtimeVersion).toBe('1.3.0 (simulated)');
    expect((await inspect(given)).availability).toMatchObject({ reason: expect.stringContaining('is the simulator') });
  });

  it('never promises more context than the file holds', async () => {
    const file = modelFile('qwen3-0.6b-w8a8-ctx2048-rk3588.rkllm');
    expect((await inspect({ file, model: { settings: { context: 16_384 } } })).facts?.contextTokens).toBe(2048);
    expect((await inspect({ file, model: { settings: { context: 512 } } })).facts?.contextTokens).toBe(512);
  });
});

describe('explainExit', () => {
  it("quotes the library's first error with its remedy", () => {
    const lines = [
      'I rkllm: loading rkllm model from x',
      'E rkllm: invalid rkllm model!',
      'E worker: rkllm_init returned -1',
    ];
    expect(explainExit(lines)).toMatchObject({
      reason: expect.stringContaining('invalid rkllm model'),
      permanent: true,
    });
  });

  it("falls back on the worker's own words, and on nothing", () => {
    expect(explainExit(['E worker: rkllm_init returned 0 but gave no handle'])).toEqual({
      reason: 'rkllm_init returned 0 but gave no handle',
      permanent: false,
    });
    expect(explainExit(['I rkllm: fine'])).toBeUndefined();
  });
});
