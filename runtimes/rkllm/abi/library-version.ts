import { createReadStream } from 'node:fs';

/** What a library's file says about itself. */
export type LibraryVersion = {
  /** `1.2.3`, `1.3.0b1`; undefined where the file holds no version text. */
  readonly version: string | undefined;
  /** True for our own stand-in, which needs no hardware. */
  readonly simulated: boolean;
};

// Spelt as in the published libraries; the version stands in the same text.
const VERSION = /(?:RKLLM SDK \(version: |rknn llm lib version: )(\d+\.\d+\.\d+\w*)([^\0)]{0,40})/;
// Longer than any match: a text may lie across two reads.
const OVERLAP_BYTES = 256;
const CHUNK_BYTES = 1 << 18;

/**
 * Finds the version of librkllmrt in its file, without loading it: loading runs its code, and asking it would need
 * the very interface that the version decides. Rejects with the system's error where the file cannot be read.
 */
export async function readLibraryVersion(path: string): Promise<LibraryVersion> {
  let tail = '';
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES, encoding: 'latin1' });
  for await (const chunk of stream) {
    const text: string = tail + chunk;
    const found = VERSION.exec(text);
    // A match that touches the end may go on in the next read.
    if (found !== null && found.index + found[0].length < text.length) return fromMatch(found);
    tail = text.slice(-OVERLAP_BYTES);
  }
  const found = VERSION.exec(tail);
  return found === null ? { version: undefined, simulated: false } : fromMatch(found);
}

function fromMatch([, version, rest = '']: RegExpExecArray): LibraryVersion {
  return { version, simulated: rest.includes('sluice simulator') };
}
