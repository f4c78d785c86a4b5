import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textLines } from '../../src/commands/text-lines.ts';

async function linesOf(...pieces: readonly Uint8Array[]): Promise<string[]> {
  const lines: string[] = [];
  const source = (async function* () {
    yield* pieces;
  })();
  for await (const line of textLines('prompts.txt', source)) lines.push(line);
  return lines;
}

describe('textLines', () => {
  it.each([
    ['nothing', '', []],
    ['one line without an end', 'a', ['a']],
    ['empty lines in between', 'a\n\nb\n', ['a', '', 'b']],
    ['lines of Windows', 'a\r\n\r\nb', ['a', '', 'b']],
    ['a byte order mark', '\uFEFFa\nb', ['a', 'b']],
    ['separators that JSON may hold', 'a\u2028b\u2029c\rd\n', ['a\u2028b\u2029c\rd']],
  ])('reads %s', async (_, text, lines) => {
    expect(await linesOf(Buffer.from(text))).toEqual(lines);
  });

  it('does not care how the bytes are cut', async () => {
    const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'ü', '😀', '\n', '\r\n', ' ') }));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 5 }), async (parts, size) => {
        const bytes = Buffer.from(parts.join(''));
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
          bytes.subarray(n * size, (n + 1) * size),
        );
        expect(await linesOf(...pieces)).toEqual(await linesOf(bytes));
      }),
    );
  });

  it.each([
    ['in a line', [0x61, 0x0a, 0xff, 0x0a]],
    ['at the end', [0x61, 0x0a, 0xc3]],
  ])('names the line near bytes that are no UTF-8, %s', async (_, bytes) => {
    const pieces = bytes.map((byte) => Buffer.from([byte]));
    await expect(linesOf(...pieces)).rejects.toThrow('prompts.txt is not UTF-8 text, near line 2: convert it first');
  });
});
