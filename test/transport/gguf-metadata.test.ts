import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { type GgufValue, writeGguf } from '../../src/demo/gguf-writer.ts';
import { tiers, writeTier } from '../../src/demo/tiers.ts';
import { readGgufMetadata } from '../../src/transport/gguf-metadata.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-gguf-'));
});
afterAll(() => rm(folder, { recursive: true }));

const uint32 = (value: number): GgufValue => ({ kind: 'uint32', value });
const string = (value: string): GgufValue => ({ kind: 'string', value });

async function readWith(metadata: Record<string, GgufValue>) {
  const path = join(folder, 'with.gguf');
  const tensor = { name: 'weight', shape: [256, 4], type: 'IQ2_XXS', fill: { kind: 'zeros' } } as const;
  await writeGguf(path, { metadata, tensors: [tensor] });
  return readGgufMetadata(path);
}

describe('readGgufMetadata', () => {
  it('reads what a demo model says about itself', async () => {
    const path = join(folder, 'tiny.gguf');
    const { sizeBytes } = await writeTier('tiny', path);
    const metadata = await readGgufMetadata(path);
    expect(metadata).toMatchObject({
      architecture: 'llama',
      name: 'tiny',
      quantization: 'F32',
      contextLength: 8192,
      embeddingLength: tiers.tiny.embedding,
      blockCount: tiers.tiny.layers,
      kvHeadsTotal: 1,
      keyLength: 64,
      valueLength: 64,
      isVisionProjector: false,
      canGoBack: true,
      pooling: undefined,
      splitCount: 1,
      sizeBytes,
    });
    expect(metadata.chatTemplate).toContain('<|im_start|>assistant');
    expect(metadata.parameterCount).toBeGreaterThan(100_000);
  });

  it('adds up key/value heads given per layer, recurrent layers counting none', async () => {
    const heads: GgufValue = { kind: 'int32s', value: [0, 0, 0, 4, 0, 0, 0, 4] };
    const metadata = await readWith({
      'general.architecture': string('hybrid'),
      'hybrid.block_count': uint32(8),
      'hybrid.attention.head_count_kv': heads,
    });
    expect(metadata.kvHeadsTotal).toBe(8);
  });

  it('counts every n-th layer when the file gives a full attention interval', async () => {
    const metadata = await readWith({
      'general.architecture': string('hybrid'),
      'hybrid.block_count': uint32(32),
      'hybrid.attention.head_count_kv': uint32(4),
      'hybrid.full_attention_interval': uint32(4),
    });
    expect(metadata.kvHeadsTotal).toBe(32);
  });

  it('derives head sizes from the width when the file does not give them', async () => {
    const metadata = await readWith({
      'general.architecture': string('llama'),
      'llama.embedding_length': uint32(4096),
      'llama.block_count': uint32(2),
      'llama.attention.head_count': uint32(32),
      'llama.attention.head_count_kv': uint32(8),
    });
    expect(metadata).toMatchObject({ keyLength: 128, valueLength: 128, kvHeadsTotal: 16 });
  });

  it.each([
    [15, 'Q4_K_M'],
    [1, 'F16'],
    [7, 'Q8_0'],
  ])('names file type %i %s', async (fileType, quantization) => {
    expect((await readWith({ 'general.file_type': uint32(fileType) })).quantization).toBe(quantization);
  });

  it('names the type of most weights when the file gives no file type', async () => {
    expect((await readWith({})).quantization).toBe('IQ2_XXS');
  });

  it('tells a vision projector from a language model', async () => {
    expect((await readWith({ 'general.architecture': string('clip') })).isVisionProjector).toBe(true);
  });

  it('refuses a file that is not there', async () => {
    const path = join(folder, 'absent.gguf');
    await expect(readGgufMetadata(path)).rejects.toMatchObject({
      code: 'model_file_missing',
      message: `model file ${path} does not exist`,
    });
  });

  it('refuses a folder', async () => {
    await expect(readGgufMetadata(folder)).rejects.toMatchObject({ code: 'model_file_missing' });
  });

  it.each([
    ['an empty file', ''],
    ['a text', 'this is a text, longer than any header would be, and it is not a model'],
    ['another version', 'GGUF\u0063\u0000\u0000\u0000'.padEnd(64, '\u0000')],
  ])('refuses %s', async (_, content) => {
    const path = join(folder, 'wrong.gguf');
    await writeFile(path, content);
    await expect(readGgufMetadata(path)).rejects.toMatchObject({ code: 'model_file_invalid' });
  });

  it('says how many bytes a truncated file lacks', async () => {
    const path = join(folder, 'short.gguf');
    const { sizeBytes } = await writeTier('tiny', path);
    await truncate(path, sizeBytes - 4096);
    await expect(readGgufMetadata(path)).rejects.toMatchObject({
      code: 'model_file_invalid',
      message: expect.stringMatching(new RegExp(`need ${sizeBytes} bytes, the file has ${sizeBytes - 4096}`)),
    });
  });

  it('refuses a file cut anywhere', async () => {
    const whole = join(folder, 'whole.gguf');
    const { sizeBytes } = await writeTier('tiny', whole);
    const bytes = await readFile(whole);
    const path = join(folder, 'cut.gguf');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: sizeBytes - 32 }), async (length) => {
        await writeFile(path, bytes.subarray(0, length));
        await expect(readGgufMetadata(path)).rejects.toMatchObject({ code: 'model_file_invalid' });
      }),
      { numRuns: 40, examples: [[23], [24], [3000], [33_000]] },
    );
  });

  it('answers or refuses, and never fails otherwise, when bytes of the header are wrong', async () => {
    const whole = join(folder, 'whole.gguf');
    await writeTier('tiny', whole);
    const bytes = await readFile(whole);
    const path = join(folder, 'damaged.gguf');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 255 }), async (at, value) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = value;
        await writeFile(path, damaged);
        const result = await readGgufMetadata(path).catch((thrown: unknown) => thrown);
        if (result instanceof Error) expect(result).toBeInstanceOf(GatewayError);
      }),
      { numRuns: 60 },
    );
  });
});
