import { describe, expect, it } from 'vitest';
import { createAnswerCheck } from '../../../runtimes/rkllm/check-answer.ts';

const DRAFT_7 = 'http://json-schema.org/draft-07/schema#';

describe('createAnswerCheck', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['no JSON', undefined, 'Ulm', /JSON/],
    ['nothing', undefined, '', /JSON/],
    ['a list where an object is asked for', undefined, '[]', /no JSON object/],
    [
      'a key that is missing, though no property is described',
      { required: ['city'] },
      '{}',
      /required property 'city'/,
    ],
    ['a default in place of a key', { properties: { a: { default: 1 } }, required: ['a'] }, '{}', /'a'/],
    ['a key too many', { properties: { a: {} }, additionalProperties: false }, '{"b":1}', /additional/],
    ['a wrong type, by its place', { properties: { a: { type: 'integer' } } }, '{"a":1.5}', /^\/a must be integer/],
    ['a broken reference target', { $ref: '#/$defs/n', $defs: { n: { type: 'number' } } }, '"x"', /number/],
    // biome-ignore lint/suspicious/noThenProperty: JSON schema calls it so.
    ['a condition', { if: { required: ['a'] }, then: { required: ['b'] } }, '{"a":1}', /'b'/],
    ['a negation', { not: { type: 'string' } }, '"x"', /NOT/],
    ['a dependent key', { dependentRequired: { a: ['b'] } }, '{"a":1}', /b/],
    ['a format', { properties: { on: { format: 'date' } } }, '{"on":"soon"}', /date/],
    ['a pattern', { properties: { a: { pattern: '^u+$' } } }, '{"a":"x"}', /pattern/],
    [
      'the second of two patterns',
      { properties: { a: { pattern: '^u+$' }, b: { pattern: '^v+$' } } },
      '{"a":"u","b":"u"}',
      /^\/b /,
    ],
    ['a place of a list', { prefixItems: [{ type: 'string' }] }, '[1]', /string/],
    ['a place of a list in draft 7', { $schema: DRAFT_7, items: [{ type: 'string' }] }, '[1]', /string/],
  ])('finds fault with %s', (_, schema, answer, fault) => {
    expect(createAnswerCheck(schema)(answer)).toMatch(fault);
  });

  it.each<[unknown, string]>([
    [undefined, '{"any":"thing"}'],
    [{ type: 'object', required: ['a'] }, '{"a":1}'],
    [{ $schema: DRAFT_7, items: [{ type: 'string' }] }, '["x",2]'],
    [{ properties: { a: { pattern: '^u+$' } } }, '{"a":"uu"}'],
    [{ 'x-note': 'from another tool', format: 'house-number' }, '{}'],
    [true, '1'],
  ])('lets pass what fits %j', (schema, answer) => {
    expect(createAnswerCheck(schema)(answer)).toBeUndefined();
  });

  it.each([[{ type: 'thing' }], [{ $ref: '#/$defs/none' }], [{ pattern: '(' }], ['text'], [7]])(
    'refuses the schema %j as the client’s fault',
    (schema) => {
      expect(() => createAnswerCheck(schema)).toThrow(
        expect.objectContaining({
          code: 'invalid_request',
          details: expect.objectContaining({ param: 'response_format' }),
        }),
      );
    },
  );

  it('takes two schemas of one name for two', () => {
    const [text, number] = ['string', 'number'].map((type) => createAnswerCheck({ $id: 'answer', type }));
    expect([text?.('"x"'), number?.('1')]).toEqual([undefined, undefined]);
  });

  it('does not stand still over an expression that never comes to an end', () => {
    const check = createAnswerCheck({ properties: { a: { pattern: '^(a+)+$' } } });
    expect(() => check(JSON.stringify({ a: `${'a'.repeat(40)}!` }))).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('longer than 100 ms') }),
    );
  });
});
