import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameReader, encodeFrame } from '../../../runtimes/rkllm/frames.ts';

/** Cuts bytes into pieces of the given sizes, the last one as long as what is left. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)].filter((piece) => piece.length > 0);
}

describe('createFrameReader', () => {
  it('gives back every frame in order, however the stream is cut', () => {
    const frame = fc.tuple(fc.nat(2 ** 32 - 1), fc.string({ unit: 'binary' }));
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(fc.array(frame), sizes, (frames, pieceSizes) => {
        const heard: [number, string][] = [];
        const read = createFrameReader((request, payload) => heard.push([request, payload.toString()]));
        const bytes = Buffer.concat(frames.map(([request, text]) => encodeFrame(request, text)));
        for (const piece of cut(bytes, pieceSizes)) read(piece);
        expect(heard).toEqual(frames.map(([request, text]) => [request, Buffer.from(text).toString()]));
      }),
    );
  });

  it('tells an empty frame, and nothing of one that is not whole', () => {
    const heard: number[] = [];
    const read = createFrameReader((request) => heard.push(request));
    read(encodeFrame(7, ''));
    read(encodeFrame(8, 'text').subarray(0, -1));
    expect(heard).toEqual([7]);
  });
});
