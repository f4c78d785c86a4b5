import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildChainModel, writeChainModel } from '../../src/demo/chain-model.ts';
import { ggufBytes } from '../../src/demo/gguf-writer.ts';
import { demoTierIds, tierPath, tiers, writeAllTiers, writeTier } from '../../src/demo/tiers.ts';
import { readGgufMetadata } from '../../src/transport/gguf-metadata.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tiers-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('tiers', () => {
  it('together stay under 400 MB, and tiny under 2 MB', () => {
    const sizes = demoTierIds.map((id) => ggufBytes(buildChainModel(tiers[id])));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(400e6);
    expect(ggufBytes(buildChainModel(tiers.tiny))).toBeLessThan(2e6);
  });

  it('at least double the work per token from tier to tier', () => {
    const work = demoTierIds.map((id) => {
      const { layers, embedding, feedForward } = tiers[id];
      return layers * embedding * (4 * embedding + 3 * feedForward);
    });
    for (const [index, more] of work.slice(1).entries()) expect(more / work[index]!).toBeGreaterThanOrEqual(2);
  });

  it.each(demoTierIds)('%s names its size in its sentence', (id) => {
    expect(tiers[id].sentence).toContain(id.replace('demo-', '').toUpperCase());
  });
});

describe('writeTier', () => {
  it('writes a model that is not there', async () => {
    const path = join(folder, 'new', 'tiny.gguf');
    expect(await writeTier('tiny', path)).toMatchObject({
      written: true,
      sizeBytes: ggufBytes(buildChainModel({ ...tiers.tiny, stamp: 'x'.repeat(32) })),
    });
    expect((await readGgufMetadata(path)).name).toBe('tiny');
  });

  it('leaves the same model alone', async () => {
    const path = join(folder, 'same.gguf');
    const { sizeBytes } = await writeTier('tiny', path);
    const before = await stat(path);
    expect(await writeTier('tiny', path)).toEqual({ id: 'tiny', path, sizeBytes, written: false });
    expect((await stat(path)).mtimeMs).toBe(before.mtimeMs);
  });

  it.each([
    ['a truncated file', (path: string) => truncate(path, 1000)],
    ['something else', (path: string) => writeFile(path, 'not a model')],
    [
      'a model with another sentence',
      (path: string) => writeChainModel(path, { ...tiers.tiny, sentence: 'I am the tidy tier.' }),
    ],
  ])('replaces %s', async (_, spoil) => {
    const path = join(folder, 'spoilt.gguf');
    await writeTier('tiny', path);
    await spoil(path);
    expect((await writeTier('tiny', path)).written).toBe(true);
    expect((await writeTier('tiny', path)).written).toBe(false);
  });
});

describe('writeAllTiers', () => {
  it('writes the four tiers smallest first and reports each', async () => {
    const reported: string[] = [];
    const written = await writeAllTiers(folder, ({ id }) => reported.push(id));
    expect(reported).toEqual([...demoTierIds]);
    expect(written.map(({ path }) => path)).toEqual(demoTierIds.map((id) => tierPath(folder, id)));
    const metadata = await Promise.all(written.map(({ path }) => readGgufMetadata(path)));
    const counts = metadata.map(({ parameterCount }) => parameterCount);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  });
});

describe('buildChainModel', () => {
  it.each([
    ['a width that is no multiple of a head', { embedding: 100 }, /multiple of 64/],
    [
      'a sentence longer than the width can hold',
      { sentence: Array.from({ length: 60 }, (_, index) => `w${index}`).join(' ') },
      /dimensions/,
    ],
  ])('refuses %s', (_, change, message) => {
    expect(() => buildChainModel({ ...tiers.tiny, ...change })).toThrow(message);
  });
});
