import { describe, expect, it } from 'vitest';
import { snakeCase } from '../../src/http/snake-case.ts';

describe('snakeCase', () => {
  it('renames fields at every depth and leaves values alone', () => {
    const value = {
      weightsBytes: 1,
      capabilities: { jsonSchema: true },
      list: [{ aB: 'camelCase' }],
      none: undefined,
      nil: null,
    };
    expect(snakeCase(value)).toEqual({
      weights_bytes: 1,
      capabilities: { json_schema: true },
      list: [{ a_b: 'camelCase' }],
      none: undefined,
      nil: null,
    });
  });

  it('gives back what is no record', () => {
    expect([snakeCase('aB'), snakeCase(2), snakeCase(undefined)]).toEqual(['aB', 2, undefined]);
  });
});
