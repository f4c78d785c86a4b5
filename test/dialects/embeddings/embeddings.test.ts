import { describe, expect, it } from 'vitest';
import { modelId } from '../../../src/core/ids.ts';
import { openAiEmbeddings } from '../../../src/dialects/embeddings/codec.ts';

const NO_HEADERS = () => undefined;
const decode = (body: unknown) => openAiEmbeddings.decode(Buffer.from(JSON.stringify(body)), NO_HEADERS);
const CONTEXT = { requestId: 'r', receivedAtMs: 0, promptTokens: 1, nowMs: () => 0 } as never;

const reply = (embeddings: readonly unknown[]) =>
  Buffer.from(
    JSON.stringify({
      object: 'list',
      model: 'm',
      data: embeddings.map((embedding, index) => ({ object: 'embedding', index, embedding })),
      usage: { prompt_tokens: 3, total_tokens: 3 },
      x_router: { model: 'm' },
    }),
  );
const base64 = (values: readonly number[]) => Buffer.from(new Float32Array(values).buffer).toString('base64');

describe('a request for embeddings', () => {
  it('tells routing what is read and asks the engine for one list of texts', () => {
    const { facts, engineBody } = decode({ model: 'e5', input: 'hello', user: 'x' });
    expect(facts).toMatchObject({ model: 'e5', wants: 'embeddings', promptChars: 5, messageCount: 1, stream: false });
    expect(JSON.parse(String(engineBody(modelId('e5-small'), undefined)))).toEqual({
      model: 'e5-small',
      input: ['hello'],
      encoding_format: 'float',
    });
  });

  it('leaves the model open where none is named', () => {
    expect(decode({ input: ['a', 'b'] }).facts).toMatchObject({ model: 'auto', promptChars: 2, messageCount: 2 });
  });

  it.each([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: '' }, 'input'],
    [{ input: ['a', ''] }, 'input[1]'],
    [{ input: [1, 2] }, 'input[0]'],
    [{ input: [[1, 2]] }, 'input[0]'],
    [{ input: { text: 'a' } }, 'input'],
    [{ input: Array.from({ length: 2049 }, () => 'a') }, 'input'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format'],
    [{ input: 'a', dimensions: 0 }, 'dimensions'],
    [{ input: 'a', dimensions: '256' }, 'dimensions'],
    [{ input: 'a', model: 7 }, 'model'],
  ])('is refused where a field is wrong: %j', (body, param) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: expect.objectContaining({ param }) }),
    );
  });
});

describe('a reply with embeddings', () => {
  it('passes through as the engine wrote it', () => {
    const written = reply([[0.5, -1]]);
    expect(decode({ input: 'a' }).writer(CONTEXT).end(written)).toBe(written);
    const short = reply([base64([0.5, -1])]);
    expect(decode({ input: 'a', encoding_format: 'base64' }).writer(CONTEXT).end(short)).toBe(short);
  });

  it('is put into base64 where the runtime gives numbers only, and keeps the rest', () => {
    const written = decode({ input: ['a', 'b'], encoding_format: 'base64' })
      .writer(CONTEXT)
      .end(
        reply([
          [0.5, -1],
          [0.25, 3],
        ]),
      );
    expect(JSON.parse(String(written))).toMatchObject({
      data: [
        { index: 0, embedding: base64([0.5, -1]) },
        { index: 1, embedding: base64([0.25, 3]) },
      ],
      usage: { prompt_tokens: 3 },
      x_router: { model: 'm' },
    });
  });

  it.each([
    [{}, [[1, 2, 3]]],
    [{ encoding_format: 'base64' }, [base64([1, 2, 3])]],
  ])('must have the length that was asked for: %j', (added, rows) => {
    const ask = (dimensions: number) =>
      decode({ input: 'a', dimensions, ...added })
        .writer(CONTEXT)
        .end(reply(rows));
    expect(ask(3)).toEqual(reply(rows));
    expect(() => ask(2)).toThrow(expect.objectContaining({ code: 'unsupported_feature' }));
  });
});
