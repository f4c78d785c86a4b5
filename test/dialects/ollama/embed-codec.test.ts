import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import type { GenerationCodec } from '../../../src/dialects/codec.ts';
import { ollamaEmbed, ollamaEmbeddings } from '../../../src/dialects/ollama/embed-codec.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const context = { requestId: requestId('req_1'), receivedAtMs: NOW_MS - 5, promptTokens: 3, nowMs: () => NOW_MS };
const decode = (body: object, codec: GenerationCodec = ollamaEmbed) =>
  codec.decode(Buffer.from(JSON.stringify(body)), () => undefined);

/** What a client gets of these vectors. */
function answer(body: object, vectors: readonly (readonly number[])[], codec?: GenerationCodec) {
  const writer = decode(body, codec).writer(context);
  writer.begin(modelId('vectors'));
  const data = vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }));
  const x_router = { model: 'vectors', actual: { e2e_ms: 12.5, load_ms: 4 } };
  const reply = { object: 'list', data, usage: { prompt_tokens: 3, total_tokens: 3 }, x_router };
  return JSON.parse(String(writer.end(Buffer.from(JSON.stringify(reply)))));
}

const UNIT = [0.6, 0.8];

describe('POST /api/embed', () => {
  it('asks an engine for one text or several', () => {
    const { facts, engineBody, enginePath } = decode({ model: 'vectors', input: 'a' });
    expect(facts).toMatchObject({ model: 'vectors', wants: 'embeddings', stream: false });
    expect(enginePath).toBe('/v1/embeddings');
    expect(JSON.parse(String(engineBody(modelId('vectors'), undefined)))).toEqual({
      model: 'vectors',
      input: ['a'],
      encoding_format: 'float',
    });
    expect(decode({ input: ['a', 'b'] }).facts.messageCount).toBe(2);
  });

  it('answers with a vector of length 1 for each', () => {
    expect(answer({ input: ['a', 'b', 'c'] }, [UNIT, [3, 4], [0, 0]])).toEqual({
      model: 'vectors',
      embeddings: [UNIT, UNIT, [0, 0]],
      total_duration: 12_500_000,
      load_duration: 4_000_000,
      prompt_eval_count: 3,
      x_router: { model: 'vectors', actual: { e2e_ms: 12.5, load_ms: 4 } },
    });
  });

  it('names what is not honoured', () => {
    const body = { input: 'a', truncate: true, options: { num_ctx: 8 } };
    expect(answer(body, [UNIT]).x_router.ignored).toEqual(['truncate', 'options.num_ctx']);
  });

  it('refuses vectors of another length than was asked for', () => {
    expect(answer({ input: 'a', dimensions: 2 }, [UNIT]).embeddings).toEqual([UNIT]);
    expect(answer({ input: 'a', dimensions: 0 }, [UNIT]).embeddings).toEqual([UNIT]);
    expect(() => answer({ input: 'a', dimensions: 8 }, [UNIT])).toThrow('cannot be had with 8');
  });

  it('loads and unloads the model it names where there is no text', () => {
    expect(decode({ model: 'vectors' }).residency).toBe('load');
    const { residency, keep, writer } = decode({ model: 'vectors', input: [], keep_alive: 0 });
    expect([residency, keep]).toEqual(['unload', { kind: 'never' }]);
    const written = writer(context);
    written.begin(modelId('vectors'));
    expect(JSON.parse(String(written.end(Buffer.alloc(0))))).toEqual({
      model: 'vectors',
      embeddings: [],
      total_duration: 5_000_000,
      load_duration: 0,
    });
  });

  it.each([
    [{ input: 3 }, 'input'],
    [{ input: ['a', ''] }, 'input[1]'],
    [{ input: '' }, 'input'],
    [{ input: 'a', dimensions: -1 }, 'dimensions'],
    [{ input: 'a', keep_alive: 'x' }, 'keep_alive'],
    [{ input: 'a', options: [] }, 'options'],
  ])('refuses %j', (body, param) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: expect.objectContaining({ param }) }),
    );
  });

  it('lives by white space and ends by an error', () => {
    const writer = decode({ input: 'a' }).writer(context);
    const failed = writer.failed(new GatewayError('runtime_failed', 'died'));
    expect(JSON.parse(writer.heartbeat(undefined) + failed)).toEqual({ error: 'died' });
  });
});

describe('POST /api/embeddings', () => {
  it('answers with the vector as it is', () => {
    const reply = answer({ prompt: 'a' }, [[3, 4]], ollamaEmbeddings);
    expect(reply.embedding).toEqual([3, 4]);
    expect(reply).not.toHaveProperty('embeddings');
  });

  it('takes one text only', () => {
    expect(() => decode({ prompt: ['a'] }, ollamaEmbeddings)).toThrow('prompt must be a string, not an array');
  });
});
