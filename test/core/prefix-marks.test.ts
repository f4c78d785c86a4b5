import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonMarks, createPrefixMarker, type PrefixMarks, weightAt } from '../../src/core/prefix-marks.ts';

type Message = readonly [role: string, text: string];

function marksOf(messages: readonly Message[]): PrefixMarks {
  const marker = createPrefixMarker();
  for (const [role, text] of messages) {
    marker.begin(role);
    marker.text(text);
    marker.end();
  }
  return marker.marks();
}

const system: Message = ['system', 'You are terse.'];
const message = fc.tuple(fc.constantFrom('user', 'assistant', 'tool'), fc.string({ maxLength: 3_000 }));
const messages = fc.array(message, { minLength: 1, maxLength: 8 });

describe('createPrefixMarker', () => {
  it('marks the end of every message with the text read so far', () => {
    const marks = marksOf([system, ['user', 'Hello.']]);
    expect(marks.chars).toEqual([14, 20]);
    expect(marks.messages).toEqual([1, 2]);
    expect(weightAt(marks, 1)).toBe(20 + 2 * 18);
  });

  it('marks long text at fixed distances, so that two documents with the same beginning share marks', () => {
    const start = 'x'.repeat(5_000);
    const one = marksOf([['user', `${start}one`]]);
    const two = marksOf([['user', `${start}two`]]);
    expect(commonMarks(one, two)).toBe(4);
    expect(one.chars[3]).toBe(4 * 1_024);
  });

  it('says before which marks an answer begins', () => {
    const marks = marksOf([system, ['user', 'Hi'], ['assistant', 'Hello'], ['user', 'More']]);
    expect(marks.beforeAnswer).toEqual([false, true, false, false]);
  });

  it('makes a few hundred marks of the longest prompts, in text or in messages', () => {
    expect(marksOf([['user', 'y'.repeat(8_000_000)]]).hashes.length).toBeLessThan(600);
    const many = Array.from({ length: 20_000 }, (_, index): Message => ['user', `message ${index}`]);
    expect(marksOf(many).hashes.length).toBeLessThan(1_100);
  });

  it('tells images apart by what they hold, without reading all of it', () => {
    const withImage = (data: string) => {
      const marker = createPrefixMarker();
      marker.begin('user');
      marker.media(data);
      marker.text('What is this?');
      marker.end();
      return marker.marks();
    };
    const image = 'A'.repeat(100_000);
    expect(commonMarks(withImage(image), withImage(image))).toBe(1);
    expect(commonMarks(withImage(image), withImage(`${image}B`))).toBe(0);
    expect(commonMarks(withImage(image), withImage(`B${image.slice(1)}`))).toBe(0);
  });

  it('gives a conversation the marks of its beginning, whatever follows', () => {
    fc.assert(
      fc.property(messages, messages, (first, more) => {
        const before = marksOf(first);
        const after = marksOf([...first, ...more]);
        expect(commonMarks(before, after)).toBe(before.hashes.length);
      }),
    );
  });

  it('parts two prompts where a role or a character differs', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (given, at) => {
        const index = at % given.length;
        const [role = '', text = ''] = given[index] ?? [];
        const otherRole = role === 'user' ? 'tool' : 'user';
        const changes: Message[] = [
          [role, `${text}.`],
          [otherRole, text],
        ];
        for (const changed of changes) {
          const other = (given as Message[]).with(index, changed);
          expect(commonMarks(marksOf(given), marksOf(other))).toBeLessThan(marksOf(given).hashes.length);
        }
      }),
    );
  });
});
