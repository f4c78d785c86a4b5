import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatStandIn, parseStandIn, readModelFile } from '../../../../runtimes/rkllm/files/model-file.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

function write(name: string, text: string | Buffer, folder = temporaryFolder()): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('readModelFile', () => {
  it('knows what the name tells, and 4096 tokens where nothing does', async () => {
    const path = write('Qwen3-0.6B-w8a8-rk3588.rkllm', Buffer.from([1, 2, 3, 0xff]));
    expect(await readModelFile(path)).toEqual({
      path,
      sizeBytes: 4,
      facts: { model: 'qwen3-0.6b', soc: 'rk3588', dtype: 'w8a8', parametersBillion: 0.6 },
      contextTokens: 4096,
      isStandIn: false,
      sidecar: undefined,
    });
  });

  it('believes the sidecar more than the name', async () => {
    const path = write('a-1b-w8a8-ctx4096-rk3588.rkllm', 'x');
    writeFileSync(
      `${path}.json`,
      JSON.stringify({ context: 8192, soc: 'RK3588S', dtype: 'W8A8-G128', toolkit: '1.2.3', x: 1 }),
    );
    expect(await readModelFile(path)).toMatchObject({
      contextTokens: 8192,
      sidecar: `${path}.json`,
      facts: { model: 'a-1b', soc: 'rk3588', dtype: 'w8a8_g128', toolkitVersion: '1.2.3' },
    });
  });

  it('believes a stand-in’s own header most', async () => {
    const text =
      'RKLLM-SIM 1\nmodel=qwen3-0.6b\ncontext=2048\ncores=2\nsoc=rk3576\ndtype=w4a16\ntoolkit=1.3.0\ntokens=a b\n';
    const path = write('stand-in-rk3588.rkllm', text);
    expect(await readModelFile(path)).toMatchObject({
      isStandIn: true,
      contextTokens: 2048,
      facts: { model: 'qwen3-0.6b', npuCores: 2, soc: 'rk3576', dtype: 'w4a16', toolkitVersion: '1.3.0' },
    });
  });

  it('names a missing file', async () => {
    await expect(readModelFile('/nowhere/a.rkllm')).rejects.toMatchObject({
      code: 'model_file_missing',
      message: expect.stringContaining('/nowhere/a.rkllm'),
    });
  });

  const folder = (): string => {
    const path = join(temporaryFolder(), 'a.rkllm');
    mkdirSync(path);
    return path;
  };
  it.each([
    ['a folder', folder, /is not a file/],
    ['an empty file', () => write('a.rkllm', ''), /is empty/],
    ['a Git LFS pointer', () => write('a.rkllm', 'version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
  ])('refuses %s', async (_, make, message) => {
    await expect(readModelFile(make())).rejects.toMatchObject({
      code: 'model_file_invalid',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ['{', /sidecar .*a\.rkllm\.json is not JSON/],
    ['{"context":"4096"}', /sidecar .*a\.rkllm\.json: context/],
    ['{"cores":0}', /cores/],
  ])('names what is wrong in the sidecar %s', async (text, message) => {
    const path = write('a.rkllm', 'x');
    writeFileSync(`${path}.json`, text);
    await expect(readModelFile(path)).rejects.toMatchObject({
      code: 'model_file_invalid',
      message: expect.stringMatching(message),
    });
  });
});

describe('formatStandIn', () => {
  it('is read back as it was written', () => {
    const facts = {
      model: 'm',
      contextTokens: 512,
      npuCores: 3,
      soc: 'rk3588',
      dtype: 'w8a8',
      toolkitVersion: '1.2.3',
    };
    expect(formatStandIn(facts)).toMatch(/^RKLLM-SIM 1\nmodel=m\n/);
    expect(parseStandIn(formatStandIn(facts))).toEqual(facts);
    expect(parseStandIn(formatStandIn({}))).toEqual({});
  });
});
