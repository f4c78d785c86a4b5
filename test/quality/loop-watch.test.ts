import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readGoodAnswers } from '../../scripts/quality-samples/good-answers.ts';
import { createLoopWatch, type RunningLoop } from '../../src/quality/loop-watch.ts';

const fixtures = join(import.meta.dirname, '../fixtures/quality');
const good = ['calibration', 'held-out', 'held-out-2'].flatMap((name) =>
  readGoodAnswers(join(fixtures, `good-${name}.txt`)),
);

function watch(text: string, step: number): { readonly loop: RunningLoop | undefined; readonly read: number } {
  const watched = createLoopWatch();
  for (let at = 0; at < text.length; at += step) {
    const loop = watched.push(text.slice(at, at + step));
    if (loop !== undefined) return { loop, read: at + step };
  }
  return { loop: watched.look(), read: text.length };
}

describe('createLoopWatch', () => {
  it('sees a loop of any length of period within its window, soon after it has become one', () => {
    const head = 'The quick brown fox jumps over the lazy dog and goes home. ';
    for (const period of ['no ', 'I do not know. ', `${head}${head.toUpperCase()}`]) {
      const { loop, read } = watch(head.repeat(2) + period.repeat(400), 4);
      expect(loop?.periodChars).toBe(period.length);
      expect(read).toBeLessThan(head.length * 2 + Math.max(800, 6 * period.length) + 256 + 4);
    }
  });

  it('reads good answers to their end, token by token and at once', () => {
    for (const { id, text } of good) {
      for (const step of [4, 100_000]) expect([id, watch(text, step).loop]).toEqual([id, undefined]);
    }
  });

  it('reads the whole text of the reference', () => {
    const reference = readFileSync(join(import.meta.dirname, '../../src/quality/reference-text.txt'), 'utf8');
    expect(watch(reference, 5).loop).toBeUndefined();
  });

  it.each([
    ['a refrain sung four times', `${'oh, drive on, the night is warm and the road is long, '.repeat(2)}\n`.repeat(4)],
    ['a matrix of zeros', `${'[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],\n'.repeat(20)}`],
    ['a ruled line', '-'.repeat(1200)],
    ['a column of numbers', Array.from({ length: 400 }, (_, row) => `${row},${row * row}\n`).join('')],
    ['a loop that was left again', `${'again and '.repeat(79)} then it found its way out and told the rest of it.`],
  ])('lets %s through', (_, text) => {
    expect(watch(text, 4).loop).toBeUndefined();
  });

  it('says of any text that it loops only where its end does', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ minLength: 1, maxLength: 200 }), (head, period) => {
        const text = head + period.repeat(Math.ceil(1200 / period.length));
        const loop = watch(text, 100_000).loop;
        if (loop === undefined) return;
        const end = text.slice(-loop.chars);
        expect(end.slice(loop.periodChars)).toBe(end.slice(0, -loop.periodChars));
        expect(loop.chars).toBeGreaterThanOrEqual(6 * loop.periodChars);
      }),
    );
  });
});
