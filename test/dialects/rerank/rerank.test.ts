import { describe, expect, it } from 'vitest';
import { modelId } from '../../../src/core/ids.ts';
import { rerankCodecs } from '../../../src/dialects/rerank/codec.ts';

const [codec] = rerankCodecs;
const decode = (body: unknown) => {
  if (codec === undefined) throw new Error('no codec');
  return codec.decode(Buffer.from(JSON.stringify(body)), () => undefined);
};
const CONTEXT = { requestId: 'r', receivedAtMs: 0, promptTokens: 1, nowMs: () => 0 } as never;
const SCORES = Buffer.from(
  JSON.stringify({
    model: 'm',
    object: 'list',
    usage: { prompt_tokens: 9, total_tokens: 9 },
    results: [
      { index: 0, relevance_score: 0.1 },
      { index: 1, relevance_score: 0.9 },
      { index: 2, relevance_score: 0.1 },
    ],
    x_router: { model: 'm' },
  }),
);
const ASKED = { query: 'who', documents: ['a', { text: 'b' }, 'c'] };

describe('a request for scores', () => {
  it('counts the query with every document and sends plain texts', () => {
    const { facts, engineBody } = decode(ASKED);
    expect(facts).toMatchObject({ wants: 'rerank', promptChars: 3 * 3 + 3, model: 'auto' });
    expect(JSON.parse(String(engineBody(modelId('r'), undefined)))).toEqual({
      model: 'r',
      query: 'who',
      documents: ['a', 'b', 'c'],
    });
  });

  it.each([
    [{ documents: ['a'] }, 'query'],
    [{ query: 'q' }, 'documents'],
    [{ query: 'q', documents: [] }, 'documents'],
    [{ query: 'q', documents: 'a' }, 'documents'],
    [{ query: 'q', documents: ['a', 3] }, 'documents[1]'],
    [{ query: 'q', documents: [{ text: '' }] }, 'documents[0]'],
    [{ query: 'q', documents: Array.from({ length: 1001 }, () => 'a') }, 'documents'],
    [{ ...ASKED, top_n: 0 }, 'top_n'],
    [{ ...ASKED, return_documents: 'yes' }, 'return_documents'],
  ])('is refused where a field is wrong: %j', (body, param) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: expect.objectContaining({ param }) }),
    );
  });
});

describe('scores', () => {
  const written = (added: object) =>
    JSON.parse(
      String(
        decode({ ...ASKED, ...added })
          .writer(CONTEXT)
          .end(SCORES),
      ),
    );

  it('come with the best first, equal ones in the order of the documents', () => {
    const reply = written({});
    expect(reply.results.map(({ index }: { index: number }) => index)).toEqual([1, 0, 2]);
    expect(reply).toMatchObject({ model: 'm', usage: { prompt_tokens: 9 }, x_router: { model: 'm' } });
  });

  it('are as many as asked for, with their texts where asked for', () => {
    expect(written({ top_n: 2, return_documents: true }).results).toEqual([
      { index: 1, relevance_score: 0.9, document: { text: 'b' } },
      { index: 0, relevance_score: 0.1, document: { text: 'a' } },
    ]);
  });
});
