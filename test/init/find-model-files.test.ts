import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type GgufValue, writeGguf } from '../../src/demo/gguf-writer.ts';
import { tierPath, writeTier } from '../../src/demo/tiers.ts';
import { findModelFiles } from '../../src/init/find-model-files.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

const SETTINGS = { context: 2048, parallel: 1, ubatch: 64, cacheRamBytes: 0 };

describe('findModelFiles', () => {
  it('finds models in subfolders, by their friendly names, and says of the others why not', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'npu'));
    await writeTier('tiny', join(folder, 'Tiny-1B-Q4_K_M.gguf'));
    writeFileSync(join(folder, 'npu/Qwen3-0.6B-w8a8-ctx4096-rk3588.rkllm'), Buffer.alloc(100_000, 1));
    writeStandIn(join(folder, 'npu/Stand-In-w8a8-rk3588.rkllm'));
    writeFileSync(join(folder, 'half.gguf'), 'GGUF');
    writeFileSync(join(folder, 'README.md'), '# models\n');
    const { models, unused } = await findModelFiles(folder, SETTINGS);
    expect(models.map(({ id, kind, purpose }) => [id, kind, purpose])).toEqual([
      ['tiny-1b', 'llama-server', 'generation'],
      ['qwen3-0.6b', 'rkllm', 'generation'],
    ]);
    expect(models[1]?.rkllm).toMatchObject({ soc: 'rk3588', dtype: 'w8a8', contextTokens: 4096 });
    expect(unused.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/half\.gguf is not a usable GGUF file/),
      expect.stringMatching(/stand-in for the NPU simulator/),
    ]);
  });

  it('gives two files of one friendly name different names', async () => {
    const folder = temporaryFolder();
    for (const name of ['a/Tiny-1B-Q4_K_M.gguf', 'a/Tiny-1B-Q8_0.gguf', 'b/Tiny-1B-Q8_0.gguf']) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      await writeTier('tiny', join(folder, name));
    }
    const { models } = await findModelFiles(folder, SETTINGS);
    expect(models.map(({ id }) => id)).toEqual(['tiny-1b-q4_k_m', 'tiny-1b-q8_0-1', 'tiny-1b-q8_0-2']);
  });

  it('turns what a policy cannot take as a name into dashes', async () => {
    const folder = temporaryFolder();
    await writeTier('tiny', tierPath(folder, 'tiny').replace('tiny', '(mein) Modell größer'));
    const { models } = await findModelFiles(folder, SETTINGS);
    expect(models.map(({ id }) => id)).toEqual(['mein-modell-gr-er']);
  });

  it('gives a vision part to the model beside it, and knows models for vectors and scores', async () => {
    const folder = temporaryFolder();
    for (const place of ['eyes', 'two']) mkdirSync(join(folder, place));
    await writeTier('tiny', join(folder, 'eyes/Seer-4B-Q4_K_M.gguf'));
    await writeHead(join(folder, 'eyes/mmproj-f16.gguf'), { 'general.architecture': text('clip') });
    await writeTier('tiny', join(folder, 'two/Alpha-4B-Q4_K_M.gguf'));
    await writeTier('tiny', join(folder, 'two/Beta-4B-Q4_K_M.gguf'));
    await writeHead(join(folder, 'two/mmproj-Beta-4B-f16.gguf'), { 'general.architecture': text('clip') });
    await writeHead(join(folder, 'two/mmproj-Gamma-f16.gguf'), { 'general.architecture': text('clip') });
    await writeHead(join(folder, 'Embed-1B.gguf'), pooled(1));
    await writeHead(join(folder, 'Rank-1B.gguf'), pooled(4));
    const { models, unused } = await findModelFiles(folder, SETTINGS);
    const found = models.map(({ id, purpose, mmproj }) => [id, [purpose, mmproj]] as const);
    expect(Object.fromEntries(found)).toEqual({
      'seer-4b': ['generation', join(folder, 'eyes/mmproj-f16.gguf')],
      'alpha-4b': ['generation', undefined],
      'beta-4b': ['generation', join(folder, 'two/mmproj-Beta-4B-f16.gguf')],
      'embed-1b': ['embeddings', undefined],
      'rank-1b': ['rerank', undefined],
    });
    expect(unused).toEqual([
      { file: join(folder, 'two/mmproj-Gamma-f16.gguf'), reason: expect.stringMatching(/no model of its name/) },
    ]);
  });

  it('names the folder it cannot read', async () => {
    await expect(findModelFiles('/nowhere/models', SETTINGS)).rejects.toThrow(/cannot look for models in \/nowhere/);
  });
});

const text = (value: string): GgufValue => ({ kind: 'string', value });
const pooled = (type: number): Record<string, GgufValue> => ({
  'general.architecture': text('bert'),
  'bert.pooling_type': { kind: 'uint32', value: type },
});

const tensor = { name: 'weight', shape: [256, 4], type: 'IQ2_XXS', fill: { kind: 'zeros' } } as const;
/** A file with this head and one small tensor. */
const writeHead = (path: string, metadata: Record<string, GgufValue>): Promise<number> =>
  writeGguf(path, { metadata, tensors: [tensor] });
