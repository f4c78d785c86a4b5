import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveProfile } from '../../src/core/profile.ts';
import { quarantineReason } from '../../src/route/quality.ts';
import { contextFromName, loadReference, referenceDirectory, referenceRows } from '../../src/store/reference.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const shipped = loadReference();
const figures = (file: string, context?: number) =>
  Object.fromEntries(
    referenceRows({ file, settings: context === undefined ? {} : { context } }, shipped).map((row) => [
      row.metric,
      row.figure,
    ]),
  );

describe('referenceRows', () => {
  test.each([
    ['models/cpu_gguf/Qwen3.5-0.8B-Q4_K_M.gguf', 25.11, 8.07],
    ['models/cpu_gguf/Qwen3.5-2B-Q4_K_M.gguf', 16.18, 5.54],
    ['models/cpu_gguf/Qwen3.5-4B-Q4_K_M.gguf', 9.73, 2.48],
    ['models/cpu_gguf/Qwen3.5-9B-Q4_K_M.gguf', 6.48, 1.62],
    ['models/cpu_gguf/Qwen_Qwen3.5-27B-Q4_K_M.gguf', 1.91, 0.54],
    ['models/cpu_gguf/Qwen3.5-27B-Q4_K_M.gguf', 1.91, 0.54],
  ])('%s has the figures of the whole-library pass', (file, prefill, decode) => {
    expect(figures(file)).toMatchObject({
      prefillTokensPerSec: { value: prefill, provenance: 'reference', n: 0 },
      decodeTokensPerSec: { value: decode },
    });
    expect(figures(file).peakMemoryBytes?.value).toBeGreaterThan(1e9);
  });

  test.each([
    ['qwen3-1.7b-w8a8-ctx512-rk3588.rkllm', 8.95],
    ['qwen3-1.7b-w8a8-ctx1024-rk3588.rkllm', 8.32],
    ['qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm', 7.65],
    ['qwen3-1.7b-w8a8-ctx16384-rk3588.rkllm', 7.65],
    ['qwen3-1.7b-w8a8.rkllm', 7.65],
    ['Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm', 15.59],
    ['qwen2.5-3b-w8a8-g256-ctx2048-rk3588.rkllm', 5.91],
    ['qwen2.5-coder-3b-w8a8-ctx2048-rk3588s.rkllm', 4.42],
  ])('%s takes the nearest context that is not smaller', (file, decode) => {
    expect(figures(`models/npu/${file}`).decodeTokensPerSec?.value).toBe(decode);
  });

  test('a context in the settings goes before the one in the name', () => {
    expect(figures('qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm', 512).decodeTokensPerSec?.value).toBe(8.95);
  });

  test('an NPU prefill rate says what was assumed about the prompt', () => {
    const rate = figures('qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm').prefillTokensPerSec;
    expect(rate?.value).toBeCloseTo((128 * 1000) / 1146.4);
    expect(rate?.source).toContain('TTFT 1146.4 ms read as 128 prompt tokens');
  });

  test('a file nobody published figures of has none', () => {
    expect(figures('Qwen3.5-4B-Q8_0.gguf')).toEqual({});
    expect(figures('qwen3.5-4b-q4_k_m-abliterated.gguf')).toEqual({});
  });
});

describe('loadReference', () => {
  test('the shipped table lies beside the package', () => {
    expect(referenceDirectory()).toMatch(/bench-results\/reference$/);
    expect(shipped.entries.length).toBeGreaterThanOrEqual(14);
  });

  test('a folder that is not there is an empty table', () => {
    expect(loadReference('/nowhere')).toEqual({ entries: [] });
  });

  test('a file that is no table is an error that names it', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'mine.json'), '{"provenance":"measured"}');
    expect(() => loadReference(folder)).toThrow(/mine\.json is no table of reference figures/);
  });
});

describe('contextFromName', () => {
  test('reads the build suffix', () => {
    expect(contextFromName('a-w8a8-ctx16384-rk3588.rkllm')).toBe(16_384);
    expect(contextFromName('a-w8a8.rkllm')).toBeUndefined();
  });
});

describe('the shipped tables', () => {
  const table = loadReference();
  const entriesOf = (model: string) => table.entries.filter((entry) => entry.model === model);

  test('say of each row which board it is from and what was made of it', () => {
    const gibibyte = 1024 ** 3;
    expect(entriesOf('Qwen3.5-4B-Q4_K_M')[0]).toMatchObject({
      ...{ device: 'cpu', board: 'RK3588, 24 GB', boardMemoryBytes: 24 * gibibyte, published: 'best balance' },
      sweep: undefined,
    });
    expect(entriesOf('Qwen3.5-4B-Q4_K_M')[1]?.sweep).toMatchObject({ threads: 6, cpus: '0-7', wallS: 54.9 });
    expect(entriesOf('Qwen3-0.6B-w8a8')[0]).toMatchObject({ device: 'npu', board: 'RK3588, 16 GB' });
  });

  test('keep the fast model whose answers nobody could use from being chosen', () => {
    const file = '/models/gemma-3-270m-w8a8-ctx16384-rk3588.rkllm';
    const profile = resolveProfile(referenceRows({ file, settings: {} }, table));
    expect(profile.decodeTokensPerSec?.value).toBe(29.8);
    expect(quarantineReason(profile)).toMatch(/^10 of 10 answers had fallen apart/);
  });
});
