import type { AbiProfile } from './abi/structs.ts';

/** Watches how far a worker's memory grows beyond what it needs. */
export interface Wear {
  /** An embedding or a rerank has ended, with so much resident memory of the worker. */
  countRows(rssBytes: number): void;
  /** Why the worker should be replaced, once it should. */
  judge(rssBytes: number): string | undefined;
}

/**
 * How far a worker may grow. Runs that give hidden states or logits leak on 1.2 (rknn-llm issue 504; from 1.3 the
 * library frees the rows when told to), and recycling by resident memory is the remedy there. A row of a 4096-wide
 * model is 16 KB per prompt token and 512 MiB some 30,000 tokens: far above what a run's buffers differ by, far below
 * what endangers a board of 8 GB.
 */
export const GROWTH_BYTES_MAX = 512 * 2 ** 20;

/**
 * Judges by the growth since the end of the first run that leaks: by then the model is loaded and the buffers of a run
 * are there, which are no leak. Without such runs it has nothing to say.
 */
export function createWear(profile: AbiProfile, growthBytesMax: number = GROWTH_BYTES_MAX): Wear {
  let firstBytes: number | undefined;
  return {
    countRows: (rssBytes) => {
      if (profile === '1.2') firstBytes ??= rssBytes;
    },
    judge: (rssBytes) => {
      const grownBytes = firstBytes === undefined ? 0 : rssBytes - firstBytes;
      if (grownBytes <= growthBytesMax) return undefined;
      return `it has grown by ${Math.round(grownBytes / 2 ** 20)} MiB: embeddings leak memory below runtime 1.3`;
    },
  };
}
