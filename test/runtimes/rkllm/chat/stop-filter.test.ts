import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopFilter, heldBack } from '../../../../runtimes/rkllm/chat/stop-filter.ts';

function filter(stops: readonly string[], pieces: readonly string[]) {
  const made = createStopFilter(stops);
  const text = pieces.map((piece) => made.push(piece)).join('') + made.end();
  return { text, stopped: made.stopped };
}

describe('createStopFilter', () => {
  it.each([
    [['b'], 'abc', 'a', true],
    [['abcd', 'bc'], 'abcd', 'a', true],
    [['x', 'yx'], 'ayx', 'a', true],
    [[''], 'abc', 'abc', false],
    [['abd'], 'abab', 'abab', false],
  ] as const)('%j in %j leaves %j', (stops, text, left, stopped) => {
    expect(filter(stops, [text])).toEqual({ text: left, stopped });
  });

  it('how the text is cut makes no difference', () => {
    const letters = { unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 };
    const stops = fc.array(fc.string({ ...letters, minLength: 1, maxLength: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(stops, fc.array(fc.string(letters)), (wanted, pieces) => {
        const text = pieces.join('');
        const whole = filter(wanted, [text]);
        expect(filter(wanted, pieces)).toEqual(whole);
        expect(text.startsWith(whole.text)).toBe(true);
        expect(whole.stopped).toBe(wanted.some((stop) => text.includes(stop)));
      }),
    );
  });
});

describe('heldBack', () => {
  it('is the longest end that may become a marker', () => {
    expect(heldBack('x<to', ['<tool>', '<t'])).toBe(3);
    expect(heldBack('x<tool>', ['<tool>'])).toBe(0);
    expect(heldBack('abab', ['ababx', 'abc'])).toBe(4);
  });
});
