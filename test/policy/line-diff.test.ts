import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineDiff } from '../../src/policy/line-diff.ts';

const text = (lines: readonly string[]) => lines.join('\n');

describe('lineDiff', () => {
  it('shows what is gone and new with two lines around it', () => {
    const before = text(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']);
    const after = text(['a', 'b', 'c', 'D', 'e', 'f', 'g', 'h', 'i', 'j', 'k']);
    expect(lineDiff(before, after)).toBe(text(['  b', '  c', '- d', '+ D', '  e', '  f', '…', '  i', '  j', '+ k']));
  });

  it('is empty for equal texts', () => {
    expect(lineDiff('a\nb\n', 'a\nb\n')).toBe('');
  });

  it('names every line that is gone or new, and no other', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const shown = lineDiff(text(before), text(after)).split('\n');
        const marked = (mark: string) => shown.filter((line) => line.startsWith(mark)).length;
        // What stays is at least the lines both begin with, so the difference of the counts is that of the lengths.
        expect(marked('+') - marked('-')).toBe(text(after).split('\n').length - text(before).split('\n').length);
      }),
    );
  });
});
