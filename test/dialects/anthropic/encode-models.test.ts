import { describe, expect, it } from 'vitest';
import { encodeModel, encodeModelPage } from '../../../src/dialects/anthropic/encode-models.ts';

const models = ['a', 'b', 'c', 'd'].map((id) => ({ id, displayName: id, createdAtMs: 0, contextTokens: undefined }));

const page = (query: { limit?: string; after?: string; before?: string }) => {
  const { limit, after: afterId, before: beforeId } = query;
  const {
    data,
    has_more: more,
    first_id: first,
    last_id: last,
  } = encodeModelPage(models, { limit, afterId, beforeId });
  return [data.map(({ id }) => id).join(''), more, first, last];
};

describe('encodeModelPage', () => {
  it.each([
    [{}, ['abcd', false, 'a', 'd']],
    [{ limit: '2' }, ['ab', true, 'a', 'b']],
    [{ limit: '2', after: 'b' }, ['cd', false, 'c', 'd']],
    [{ limit: '1', after: 'b' }, ['c', true, 'c', 'c']],
    [{ limit: '2', before: 'd' }, ['bc', true, 'b', 'c']],
    [{ after: 'd' }, ['', false, null, null]],
  ])('gives for %j %j', (query, wanted) => {
    expect(page(query)).toEqual(wanted);
  });

  it.each([
    ['limit', { limit: '0' }],
    ['limit', { limit: 'all' }],
    ['after_id', { after: 'z' }],
    ['before_id', { before: 'z' }],
  ])('refuses a wrong %s', (param, query) => {
    expect(() => page(query)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { param } }));
  });
});

describe('encodeModel', () => {
  it('tells the context where it is known', () => {
    expect(encodeModel({ id: 'a', displayName: 'A', createdAtMs: 1_700_000_000_000, contextTokens: 4096 })).toEqual({
      type: 'model',
      id: 'a',
      display_name: 'A',
      created_at: '2023-11-14T22:13:20.000Z',
      max_input_tokens: 4096,
      max_tokens: 4096,
    });
  });
});
