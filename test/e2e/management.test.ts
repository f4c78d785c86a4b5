import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoModel, demoPolicy, type Parsed, startTestGateway, type TestGateway } from '../helpers/gateway.ts';

// What is not a conversation: vectors, scores, tokens, and the operator's hand on the models.

let gateway: TestGateway;
let client: OpenAI;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.runtimes['llama'] = { ...policy.runtimes['llama'], settings: { threads: 1, context: 512, parallel: 1 } };
  policy.models['vectors'] = { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } };
  policy.models['scores'] = { ...demoModel('tiny'), settings: { rerank: true } };
  gateway = await startTestGateway(policy);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway?.stop();
});

const post = async (path: string, body: unknown) => {
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Parsed };
};

describe('embeddings', () => {
  it('come to the OpenAI client as numbers, whichever way they travel', async () => {
    const asText = await client.embeddings.create({ model: 'auto', input: ['Who are you?', 'I am.'] });
    const asNumbers = await client.embeddings.create({
      model: 'vectors',
      input: ['Who are you?', 'I am.'],
      encoding_format: 'float',
    });
    expect(asText.data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
    expect(asText.data[0]?.embedding[0]).toBeCloseTo(asNumbers.data[0]?.embedding[0] ?? Number.NaN, 5);
    expect(asNumbers).toMatchObject({ model: 'vectors', x_router: { model: 'vectors', class: 'interactive' } });
    expect(gateway.records().at(-1)).toMatchObject({
      model: 'vectors',
      outcome: { kind: 'ok' },
      actual: { promptTokens: asNumbers.usage.prompt_tokens },
    });
  });

  it.each([
    ['a chat model', { model: 'tiny', input: 'a' }, 400, 'unsupported_feature'],
    ['another length', { model: 'vectors', input: 'a', dimensions: 8 }, 400, 'unsupported_feature'],
    [
      'a text beyond the context',
      { model: 'vectors', input: 'Who are you? '.repeat(300) },
      400,
      'context_length_exceeded',
    ],
    ['an unknown model', { model: 'text-embedding-3-small', input: 'a' }, 404, 'model_not_found'],
  ])('are refused of %s', async (_, body, status, code) => {
    expect(await post('/v1/embeddings', body)).toMatchObject({ status, body: { error: { code } } });
  });

  it('are not computed by a model that answers chats, and the other way round', async () => {
    const chat = await gateway.chat({ model: 'vectors', messages: [{ role: 'user', content: 'Who are you?' }] });
    expect(JSON.parse(chat.text).error).toMatchObject({ code: 'unsupported_feature' });
    const open = await gateway.chat({ messages: [{ role: 'user', content: 'Who are you?' }] });
    expect(open.headers.get('x-router-model')).toBe('tiny');
  });
});

describe('reranking', () => {
  it('scores every document and puts the best first', async () => {
    const asked = { query: 'Who are you?', documents: ['I am the tiny tier.', 'No.'], return_documents: true };
    const { status, body } = await post('/v1/rerank', asked);
    expect(status).toBe(200);
    expect(body.x_router.model).toBe('scores');
    const scores = body.results.map((row: { relevance_score: number }) => row.relevance_score);
    expect(scores).toEqual(scores.toSorted((one: number, other: number) => other - one));
    for (const row of body.results) expect(row.document.text).toBe(asked.documents[row.index]);
    expect((await post('/rerank', { ...asked, top_n: 1 })).body.results).toHaveLength(1);
  });
});

describe('tokens', () => {
  const chat = { messages: [{ role: 'user', content: 'Who are you?' }] };

  it('of a prompt are as many as the engine then reads', async () => {
    const counted = await post('/v1/chat/completions/input_tokens', { model: 'tiny', ...chat });
    const reply = await gateway.chat({ model: 'tiny', ...chat });
    expect(counted.body).toEqual({
      object: 'response.input_tokens',
      input_tokens: JSON.parse(reply.text).usage.prompt_tokens,
      x_router: { model: 'tiny', exact: true, basis: 'counted by tiny' },
    });
  });

  it('are counted of a prompt that is too long to be served', async () => {
    const long = { messages: [{ role: 'user', content: 'Who are you? '.repeat(500) }] };
    const { status, body } = await post('/v1/chat/completions/input_tokens', { model: 'tiny', ...long });
    expect(status).toBe(200);
    expect(body.input_tokens).toBeGreaterThan(512);
  });

  it("of a text are the model's own, with pieces that make the text again", async () => {
    const plain = await post('/v1/tokenize', { model: 'vectors', content: 'Who are you?' });
    const pieces = await post('/tokenize', { prompt: 'Who are you?', with_pieces: true });
    expect(plain.body).toMatchObject({ model: 'vectors', count: pieces.body.count });
    expect(pieces.body.tokens.map(({ piece }: { piece: string }) => piece).join('')).toBe('Who are you?');
    expect(pieces.body.tokens.map(({ id }: { id: number }) => id)).toEqual(plain.body.tokens);
  });

  it.each([
    [{ content: 7 }, 'content'],
    [{}, 'content'],
    [{ content: 'a', with_pieces: 'yes' }, 'with_pieces'],
    [{ content: 'a', model: 7 }, 'model'],
    [{ content: 'a', model: 'nobody' }, 'model'],
  ])('are refused: %j', async (body, param) => {
    expect((await post('/v1/tokenize', body)).body.error).toMatchObject({ type: 'invalid_request_error', param });
  });
});
