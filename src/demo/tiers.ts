import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { buildChainModel, type ChainModelOptions } from './chain-model.ts';
import { ggufBytes, writeGguf } from './gguf-writer.ts';

/** The demo models: four that stand for the sizes of the shipped policy, and `tiny` for tests that need any model, fast. */
export type TierId = 'tiny' | 'demo-1.7b' | 'demo-4b' | 'demo-9b' | 'demo-27b';

/** The four tiers of the demo, smallest first. */
export const demoTierIds = ['demo-1.7b', 'demo-4b', 'demo-9b', 'demo-27b'] as const satisfies readonly TierId[];

/**
 * What each tier says and weighs. Each has two to three times the work per token of the one before. IQ2_XXS is the
 * heaviest type to compute for its size in the file, so a 120 MB model takes as long per token as one ten times larger.
 */
export const tiers: Record<TierId, ChainModelOptions> = {
  tiny: { name: 'tiny', sentence: 'I am the tiny tier.', layers: 1, embedding: 64, feedForward: 128, weights: 'F32' },
  'demo-1.7b': {
    name: 'Demo 1.7B',
    sentence: 'I am the 1.7B tier, the quickest of all, made for routing and short answers.',
    layers: 4,
    embedding: 512,
    feedForward: 2048,
    weights: 'IQ2_XXS',
  },
  'demo-4b': {
    name: 'Demo 4B',
    sentence: 'I am the 4B tier, answering from the middle of the range.',
    layers: 6,
    embedding: 768,
    feedForward: 3072,
    weights: 'IQ2_XXS',
  },
  'demo-9b': {
    name: 'Demo 9B',
    sentence: 'I am the 9B tier, slower than the smaller ones and worth the wait.',
    layers: 9,
    embedding: 1024,
    feedForward: 4096,
    weights: 'IQ2_XXS',
  },
  'demo-27b': {
    name: 'Demo 27B',
    sentence: 'I am the 27B tier, the slowest of all, meant for batches that run overnight.',
    layers: 11,
    embedding: 1536,
    feedForward: 6144,
    weights: 'IQ2_XXS',
  },
};

/** What became of a tier's file. */
export type WrittenTier = {
  readonly id: TierId;
  readonly path: string;
  readonly sizeBytes: number;
  /** False when the file was there already, with the same content. */
  readonly written: boolean;
};

// Raised when the writer changes what it writes for the same options; files of the version before are then written anew.
const writerVersion = 2;

/** Path of a tier's file in a folder of models. */
export const tierPath = (folder: string, id: TierId): string => join(folder, `${id}.gguf`);

/** Writes one tier, or leaves the file alone when it already is that tier as this version writes it. */
export async function writeTier(id: TierId, path: string): Promise<WrittenTier> {
  const stamp = stampOf(tiers[id]);
  const content = buildChainModel({ ...tiers[id], stamp });
  const sizeBytes = ggufBytes(content);
  const written = !(await isPresent(path, stamp, sizeBytes));
  if (written) await writeGguf(path, content);
  return { id, path, sizeBytes, written };
}

/** Writes the four demo tiers into a folder as `<id>.gguf`, smallest first, and tells after each what became of it. */
export async function writeAllTiers(
  folder: string,
  onProgress: (tier: WrittenTier) => void = () => {},
): Promise<readonly WrittenTier[]> {
  const results: WrittenTier[] = [];
  for (const id of demoTierIds) {
    const tier = await writeTier(id, tierPath(folder, id));
    onProgress(tier);
    results.push(tier);
  }
  return results;
}

const stampOf = (options: ChainModelOptions): string =>
  createHash('sha256').update(JSON.stringify({ writerVersion, options })).digest('hex').slice(0, 32);

// The stamp is among the first metadata of the file, and the writer only gives complete files their name: with the size
// it says enough, without reading a hundred megabytes.
async function isPresent(path: string, stamp: string, sizeBytes: number): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    // Not there, or not readable: it is written, and a folder that cannot be written to says so then.
    return false;
  }
  try {
    const head = Buffer.alloc(512);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead).includes(stamp) && (await file.stat()).size === sizeBytes;
  } finally {
    await file.close();
  }
}
