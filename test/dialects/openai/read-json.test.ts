import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readJsonObject } from '../../../src/dialects/openai/read-json.ts';

const read = (text: string) => readJsonObject(Buffer.from(text));
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

describe('readJsonObject', () => {
  it('reads every object JSON can hold as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (value) => {
        const text = JSON.stringify(value);
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['', 'empty'],
    ['  ', 'not valid JSON'],
    ['{', 'not valid JSON'],
    ['[1]', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
    ['"text"', 'must be a JSON object'],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('takes 128 levels and refuses 129', () => {
    expect(read(nested(128))).toHaveProperty('a');
    expect(() => read(nested(129))).toThrow('deeper than 128 levels');
  });

  it('never fails otherwise than with its own error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          readJsonObject(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_request' });
        }
      }),
    );
  });

  it('does not count brackets inside strings', () => {
    const text = JSON.stringify({ a: '[{"'.repeat(500), b: '\\', c: '\\"[[' });
    expect(read(text)).toEqual(JSON.parse(text));
  });

  it('refuses a million brackets without overflowing the stack', () => {
    expect(() => read('['.repeat(1_000_000))).toThrow('deeper than 128 levels');
  });
});
