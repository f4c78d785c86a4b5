import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GgufContent, type GgufTensor, ggufBytes, writeGguf } from '../../src/demo/gguf-writer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-writer-'));
});
afterAll(() => rm(folder, { recursive: true }));

// The independent reader; it never saw our writer.
const read = (path: string) => gguf(path, { allowLocalFile: true });

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7 + 1) & 0xff);

const content: GgufContent = {
  metadata: {
    'general.architecture': { kind: 'string', value: 'llama' },
    'a.text': { kind: 'string', value: 'Grüße 🌍' },
    'a.flag': { kind: 'bool', value: true },
    'a.count': { kind: 'uint32', value: 4_000_000_000 },
    'a.offset': { kind: 'int32', value: -5 },
    'a.share': { kind: 'float32', value: 0.5 },
    'a.words': { kind: 'strings', value: ['one', '', 'drei'] },
    'a.kinds': { kind: 'int32s', value: [1, -2, 3] },
    'a.scores': { kind: 'float32s', value: [0.25, -1000] },
  },
  tensors: [
    { name: 'norm', shape: [5], type: 'F32', fill: { kind: 'bytes', bytes: bytesOf(20) } },
    { name: 'half', shape: [3, 3], type: 'F16', fill: { kind: 'repeat', block: bytesOf(6) } },
    { name: 'byte', shape: [64, 2], type: 'Q8_0', fill: { kind: 'repeat', block: bytesOf(34) } },
    { name: 'grid', shape: [256, 3], type: 'IQ2_XXS', fill: { kind: 'zeros' } },
  ],
};

describe('writeGguf', () => {
  it('writes metadata that an independent reader reads back', async () => {
    const path = join(folder, 'metadata.gguf');
    await writeGguf(path, content);
    const { metadata } = await read(path);
    const expected = Object.fromEntries(Object.entries(content.metadata).map(([key, { value }]) => [key, value]));
    expect(metadata).toMatchObject({ ...expected, version: 3, tensor_count: 4n, kv_count: 9n });
  });

  it('writes names, shapes and types of tensors that an independent reader reads back', async () => {
    const path = join(folder, 'tensors.gguf');
    await writeGguf(path, content);
    const { tensorInfos } = await read(path);
    expect(tensorInfos.map(({ name, shape, dtype }) => [name, shape, dtype])).toEqual([
      ['norm', [5n], 0],
      ['half', [3n, 3n], 1],
      ['byte', [64n, 2n], 8],
      ['grid', [256n, 3n], 16],
    ]);
  });

  it('puts every tensor where the header says, aligned to 32 bytes', async () => {
    const path = join(folder, 'data.gguf');
    await writeGguf(path, content);
    const { tensorInfos, tensorDataOffset } = await read(path);
    const file = await readFile(path);
    const data = (index: number, length: number): Buffer => {
      const start = Number(tensorDataOffset + tensorInfos[index]!.offset);
      expect(start % 32).toBe(0);
      return file.subarray(start, start + length);
    };
    expect(data(0, 20)).toEqual(Buffer.from(bytesOf(20)));
    expect(data(1, 18)).toEqual(Buffer.concat([bytesOf(6), bytesOf(6), bytesOf(6)]));
    expect(data(2, 136)).toEqual(Buffer.concat(Array.from({ length: 4 }, () => bytesOf(34))));
    expect(data(3, 198)).toEqual(Buffer.alloc(198));
  });

  it('repeats a block across the borders of its write buffer', async () => {
    const path = join(folder, 'long.gguf');
    const tensor: GgufTensor = {
      name: 'long',
      shape: [256, 16_000],
      type: 'IQ2_XXS',
      fill: { kind: 'repeat', block: bytesOf(66) },
    };
    await writeGguf(path, { metadata: {}, tensors: [tensor] });
    const { tensorDataOffset } = await read(path);
    const data = (await readFile(path)).subarray(Number(tensorDataOffset));
    expect(data.subarray(66 * 15_999, 66 * 16_000)).toEqual(Buffer.from(bytesOf(66)));
  });

  it('returns the size of the file, which ggufBytes knows beforehand', async () => {
    const path = join(folder, 'size.gguf');
    const sizeBytes = await writeGguf(path, content);
    expect((await stat(path)).size).toBe(sizeBytes);
    expect(ggufBytes(content)).toBe(sizeBytes);
  });

  it('makes missing folders and leaves nothing beside the file', async () => {
    const deep = join(folder, 'a', 'b');
    await writeGguf(join(deep, 'model.gguf'), content);
    expect(await readdir(deep)).toEqual(['model.gguf']);
  });

  it.each([
    [
      'bytes of another size',
      { shape: [4], type: 'F32', fill: { kind: 'bytes', bytes: bytesOf(15) } },
      /15 bytes given, 16 expected/,
    ],
    [
      'a row that is no multiple of the block',
      { shape: [100, 2], type: 'Q8_0', fill: { kind: 'zeros' } },
      /rows of 100/,
    ],
    [
      'a repeated block that is not whole',
      { shape: [32], type: 'Q8_0', fill: { kind: 'repeat', block: bytesOf(33) } },
      /33 bytes/,
    ],
  ] as const)('refuses %s and leaves no file', async (_, tensor, message) => {
    const empty = await mkdtemp(join(folder, 'refused-'));
    const refused: GgufTensor = { name: 'wrong', ...tensor };
    await expect(writeGguf(join(empty, 'model.gguf'), { metadata: {}, tensors: [refused] })).rejects.toThrow(message);
    expect(await readdir(empty)).toEqual([]);
  });

  it('round-trips any text and any list of words', async () => {
    const path = join(folder, 'any.gguf');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.array(fc.string()), async (text, words) => {
        await writeGguf(path, {
          metadata: { text: { kind: 'string', value: text }, words: { kind: 'strings', value: words } },
          tensors: [],
        });
        expect((await read(path)).metadata).toMatchObject({ text, words });
      }),
      { numRuns: 30 },
    );
  });
});
