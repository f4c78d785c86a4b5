import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { discoverModels, findModels } from '../../../../runtimes/rkllm/files/discover.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

const LONG = 'Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm';

function folderWith(...names: readonly string[]): string {
  const folder = temporaryFolder();
  for (const name of names) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), 'RKLLM-SIM 1\n');
  }
  return folder;
}

describe('discoverModels', () => {
  it('finds model files in the folder and below, and nothing else', async () => {
    const folder = folderWith('b.rkllm', 'sub/A.RKLLM', 'a.gguf', 'b.rkllm.json.txt');
    const { models, broken } = await discoverModels(folder);
    expect(models.map(({ path }) => path)).toEqual([join(folder, 'b.rkllm'), join(folder, 'sub/A.RKLLM')]);
    expect(broken).toEqual([]);
  });

  it('a broken file does not hide the others', async () => {
    const folder = folderWith('a.rkllm');
    writeFileSync(join(folder, 'b.rkllm'), '');
    const { models, broken } = await discoverModels(folder);
    expect(models).toHaveLength(1);
    expect(broken).toEqual([{ path: join(folder, 'b.rkllm'), reason: expect.stringContaining('empty') }]);
  });

  it('names a folder that is not there', async () => {
    await expect(discoverModels('/nowhere')).rejects.toMatchObject({ code: 'model_file_missing' });
  });
});

describe('findModels', () => {
  it.each([
    ['qwen3-0.6b'],
    ['Qwen3-0.6B'],
    [LONG],
    [LONG.replace('.rkllm', '').toLowerCase()],
    ['Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588'],
  ])('%s means the file', async (name) => {
    const folder = folderWith(LONG, 'gemma-3-1b-w8a8.rkllm');
    const { models } = await discoverModels(folder);
    expect(findModels(models, name).map(({ path }) => path)).toEqual([join(folder, LONG)]);
  });

  it('a friendly name may mean two builds, their file names one', async () => {
    const { models } = await discoverModels(folderWith('m-1b-w8a8.rkllm', 'm-1b-w8a8_g128.rkllm'));
    expect(findModels(models, 'm-1b')).toHaveLength(2);
    expect(findModels(models, 'm-1b-w8a8.rkllm')).toHaveLength(1);
  });

  it('an unknown name means none', async () => {
    const { models } = await discoverModels(folderWith(LONG));
    expect(findModels(models, 'qwen3')).toEqual([]);
  });
});
