import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/policy/load.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-policy-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function written(content: string | Buffer): Promise<string> {
  const file = join(folder, 'p.yaml');
  await writeFile(file, content);
  return file;
}

describe('loadPolicy', () => {
  it('reads a file, with or without a byte order mark', async () => {
    const file = await written('\ufeffversion: 1\n');
    expect((await loadPolicy(file)).file).toBe(file);
  });

  it('says which file is missing and how to name another', async () => {
    const file = join(folder, 'nowhere.yaml');
    await expect(loadPolicy(file)).rejects.toMatchObject({
      code: 'invalid_config',
      message: `cannot read the policy ${file}: no such file; give one with --policy FILE, or have "sluice init --models FOLDER" write one`,
    });
  });

  it('refuses a folder, bytes that are not text, and a file that is too large', async () => {
    await expect(loadPolicy(folder)).rejects.toMatchObject({ code: 'invalid_config' });
    const file = await written(Buffer.from([0x76, 0xff, 0xfe, 0x00]));
    await expect(loadPolicy(file)).rejects.toThrow(`${file}:1:1 the file is not UTF-8 text`);
    await written('#'.repeat(1_000_001));
    await expect(loadPolicy(file)).rejects.toThrow('more than 1.00 MB');
  });
});
