import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MESSAGE_CHARS_MAX, splitMessage } from '../../../examples/discord-bot/split-message.ts';

const fences = (text: string): number => text.match(/^[ \t]*```/gm)?.length ?? 0;

describe('splitMessage', () => {
  it('leaves a short answer as it is', () => {
    expect(splitMessage('Hello **there**.')).toEqual(['Hello **there**.']);
    expect(splitMessage('x'.repeat(MESSAGE_CHARS_MAX))).toHaveLength(1);
  });

  it.each([
    [
      'a line where a paragraph ends too early',
      'one two\n\nthree four\nfive six seven eight nine',
      ['one two\n\nthree four', 'five six seven', 'eight nine'],
    ],
    ['a paragraph in the later half', 'one two three\n\nfour five six', ['one two three', 'four five six']],
    ['a line', 'one two three\nfour five six seven', ['one two three', 'four five six seven']],
    ['a word', 'one two three four five six seven', ['one two three four', 'five six seven']],
    ['nothing', 'x'.repeat(30), ['x'.repeat(20), 'x'.repeat(10)]],
  ])('cuts at the end of %s', (_, text, messages) => {
    expect(splitMessage(text, 24)).toEqual(messages);
  });

  it('closes a code block that it cuts and opens it again with its language', () => {
    const lines = Array.from({ length: 12 }, (_, index) => `line ${index}`);
    const messages = splitMessage(`So:\n\`\`\`ts\n${lines.join('\n')}\n\`\`\`\nDone.`, 60);
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(fences(message) % 2).toBe(0);
    for (const message of messages.slice(1)) expect(message).toMatch(/^```ts\nline \d/);
    expect(messages.join('\n').match(/line \d+/g)).toEqual(lines);
    expect(messages.at(-1)).toMatch(/```\nDone\.$/);
  });

  it('begins a code block in the next message where only its first line would fit', () => {
    const [first, second] = splitMessage(`${'word '.repeat(9)}\n\`\`\`ts\nconst answer = 42;\n\`\`\``, 60);
    expect(first).not.toContain('```');
    expect(second).toBe('```ts\nconst answer = 42;\n```');
  });

  it('closes a code block that is not written to its end yet', () => {
    expect(splitMessage('```ts\nconst a')).toEqual(['```ts\nconst a\n```']);
    expect(splitMessage('see ```code``` here')).toEqual(['see ```code``` here']);
    expect(splitMessage('```like this```')).toEqual(['```like this```']);
  });

  it('sends nothing for nothing', () => {
    expect(splitMessage('')).toEqual([]);
    expect(splitMessage(' \n\n ')).toEqual([]);
  });

  it('does not cut a character in two', () => {
    const messages = splitMessage('🦀'.repeat(100), 45);
    expect(messages.join('')).toBe('🦀'.repeat(100));
    for (const message of messages) expect(Buffer.from(message).toString()).toBe(message);
  });

  const answers = fc
    .array(
      fc.oneof(
        fc.constantFrom('\n', '\n\n', ' ', '\n```ts\n', '\n```\n', '```', '`x`', '🦀'),
        fc.string({ minLength: 1, maxLength: 12 }),
        fc.lorem({ maxCount: 12 }),
        fc.stringMatching(/^[a-z]{20,90}$/),
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join(''));

  it('keeps to the length, loses no word and leaves no code block open', () => {
    fc.assert(
      fc.property(answers, (text) => {
        const messages = splitMessage(text, 120);
        for (const message of messages) {
          expect(message.length).toBeLessThanOrEqual(120);
          expect(message.trim()).not.toBe('');
          expect(splitMessage(message, 10_000)).toEqual([message]);
        }
        const visible = (one: string) => one.replace(/\s/g, '');
        // The line that opens a block is repeated, so only texts without one can be held against their messages.
        if (!text.includes('```')) expect(visible(messages.join(''))).toBe(visible(text));
      }),
      { numRuns: 500 },
    );
  });

  it('changes only the last message while an answer grows', () => {
    fc.assert(
      fc.property(answers, (text) => {
        let before: string[] = [];
        for (let length = 0; length <= text.length; length += 7) {
          const now = splitMessage(text.slice(0, length), 120);
          expect(now.slice(0, Math.max(0, before.length - 1))).toEqual(before.slice(0, -1));
          before = now;
        }
      }),
      { numRuns: 200 },
    );
  });
});
