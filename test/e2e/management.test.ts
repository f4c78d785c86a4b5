import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import {
  demoModel,
  demoPolicy,
  isAlive,
  type Parsed,
  startTestGateway,
  type TestGateway,
  until,
} from '../helpers/gateway.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// What is not a conversation: vectors, scores, tokens, and the operator's hand on the models.

let gateway: TestGateway;
let client: OpenAI;
let folder: string;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.runtimes['llama'] = { ...policy.runtimes['llama'], settings: { threads: 1, context: 512, parallel: 1 } };
  policy.models['vectors'] = { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } };
  policy.models['scores'] = { ...demoModel('tiny'), settings: { rerank: true } };
  policy.models['gone'] = { ...demoModel('tiny'), file: '/nowhere/Some_Model-4B-Q4_K_M.gguf' };
  folder = mkdtempSync(join(tmpdir(), 'sluice-vectors-'));
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.2.3') };
  const npu = (name: string) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { context: 512 }),
  });
  policy.models['npu-vectors'] = { ...npu('vectors'), settings: { embeddings: true } };
  policy.models['npu-scores'] = { ...npu('scores'), settings: { rerank: true } };
  gateway = await startTestGateway(policy);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
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

  it('come from the NPU in base64 as well, which its runtime does not write', async () => {
    const ask = (encoding_format?: 'float') =>
      client.embeddings.create({
        model: 'npu-vectors',
        input: ['one', 'two'],
        ...(encoding_format && { encoding_format }),
      });
    const [asText, asNumbers] = [await ask(), await ask('float')];
    for (const [index, { embedding }] of asText.data.entries()) {
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
      const numbers = asNumbers.data[index]?.embedding ?? [];
      expect(Math.max(...embedding.map((value, at) => Math.abs(value - (numbers[at] ?? Number.NaN))))).toBeLessThan(
        1e-5,
      );
    }
    expect(asText).toMatchObject({ x_router: { model: 'npu-vectors' } });
  });

  it('are given up within moments when the client leaves, and the lane is free', async () => {
    const leaving = new AbortController();
    const body = JSON.stringify({
      model: 'vectors',
      input: Array.from({ length: 2048 }, (_, n) => `${n} who are you?`),
    });
    const left = fetch(`${gateway.url}/v1/embeddings`, { method: 'POST', body, signal: leaving.signal }).catch(
      () => 'left',
    );
    await until('it runs', async () => (await gateway.json('/router/status')).requests_active === 1);
    leaving.abort();
    expect(await left).toBe('left');
    await gateway.idle();
    expect(gateway.records().at(-1)).toMatchObject({ model: 'vectors', outcome: { kind: 'cancelled' } });
    expect((await post('/v1/embeddings', { model: 'vectors', input: 'a' })).status).toBe(200);
  });

  it('show how fast the model reads, and nothing of how it answers', async () => {
    const { vectors } = (await gateway.json('/router/profiles')).profiles;
    expect(vectors.prefill_tokens_per_sec).toMatchObject({ provenance: 'observed', value: expect.any(Number) });
    expect(vectors.decode_tokens_per_sec?.provenance).not.toBe('observed');
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
    const documents = ['I am the tiny tier.', 'No.'];
    const asked = { model: 'scores', query: 'Who are you?', documents, return_documents: true };
    const { status, body } = await post('/v1/rerank', asked);
    expect(status).toBe(200);
    expect(body.x_router.model).toBe('scores');
    const scores = body.results.map((row: { relevance_score: number }) => row.relevance_score);
    expect(scores).toEqual(scores.toSorted((one: number, other: number) => other - one));
    for (const row of body.results) expect(row.document.text).toBe(documents[row.index]);
    expect((await post('/rerank', { ...asked, top_n: 1 })).body.results).toHaveLength(1);
  });
});

describe('reranking on the NPU', () => {
  it('puts the best first', async () => {
    const { body } = await post('/v1/rerank', {
      model: 'npu-scores',
      query: 'what',
      documents: ['this', 'that', 'it'],
    });
    expect(body.results.map(({ index }: { index: number }) => index).toSorted()).toEqual([0, 1, 2]);
    const scores = body.results.map((row: { relevance_score: number }) => row.relevance_score);
    expect(scores).toEqual(scores.toSorted((one: number, other: number) => other - one));
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
    [{ content: 'a', model: 'npu-scores' }, 'model'],
  ])('are refused: %j', async (body, param) => {
    expect((await post('/v1/tokenize', body)).body.error).toMatchObject({ type: 'invalid_request_error', param });
  });
});

describe('the operator', () => {
  const rowOf = async (path: string, id: string) =>
    (await gateway.json(path)).data.find((row: { id: string }) => row.id === id);

  it('sees how fast a model is and how far to trust the figures', async () => {
    expect(await gateway.json('/v1/models/tiny')).toMatchObject({
      context_length: 512,
      capabilities: { generation: true, embeddings: false },
      speed: { decode_tokens_per_sec: expect.any(Number), ttft_prompt_tokens: expect.any(Number), stale: false },
    });
    expect((await gateway.json('/v1/models/gone')).speed).toBeNull();
  });

  it('sees which files there are, and why one cannot be used', async () => {
    const tiny = await rowOf('/v1/models/available', 'tiny');
    expect(tiny).toMatchObject({ friendly_name: 'tiny', loaded: true, available: true, context_length: 512 });
    expect(tiny.size_bytes).toBeGreaterThan(10_000);
    expect(await rowOf('/v1/models/available', 'gone')).toMatchObject({
      friendly_name: 'some_model-4b',
      available: false,
      loaded: false,
      size_bytes: null,
      reason: expect.stringContaining('/nowhere/'),
      remedy: expect.any(String),
    });
  });

  it('unloads and loads a model', async () => {
    const { pid } = await rowOf('/v1/models/loaded', 'scores');
    expect(isAlive(pid)).toBe(true);
    expect(await post('/v1/models/unload', { model: 'scores' })).toMatchObject({
      status: 200,
      body: { state: 'stopped' },
    });
    expect(isAlive(pid)).toBe(false);
    expect(await rowOf('/v1/models/loaded', 'scores')).toBeUndefined();
    const loaded = await post('/v1/models/load', { model: 'scores', keep_alive: '5m' });
    expect(loaded).toMatchObject({ status: 200, body: { model: 'scores', state: 'ready' } });
    expect((await rowOf('/v1/models/loaded', 'scores')).pid).not.toBe(pid);
  });

  it.each([
    [{ model: 'gone' }, 503, 'model_unavailable'],
    [{ model: 'nobody' }, 404, 'model_not_found'],
    [{ model: 'auto' }, 400, null],
    [{}, 400, null],
  ])('is told what is wrong with %j', async (body, status, code) => {
    expect(await post('/v1/models/load', body)).toMatchObject({ status, body: { error: { code } } });
  });

  it('reads the last lines of a child and follows it', async () => {
    const lines = (await (await fetch(`${gateway.url}/router/models/tiny/logs?lines=2`)).text()).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    const follow = await fetch(`${gateway.url}/router/models/tiny/logs?lines=1&follow=1`);
    const reader = follow.body?.pipeThrough(new TextDecoderStream()).getReader();
    await gateway.chat({ model: 'tiny', messages: [{ role: 'user', content: 'Who are you?' }] });
    let text = '';
    while (!text.includes('print_timing')) text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    expect(text).toMatch(/^data: /);
  });

  it('drains: what runs is finished, what comes is refused, and then work is taken again', async () => {
    const running = gateway.chat({
      model: 'tiny',
      messages: [{ role: 'user', content: 'Who are you?' }],
      max_tokens: 300,
      ignore_eos: true,
    });
    await until('it runs', async () => (await gateway.json('/router/status')).requests_active === 1);
    const early = await post('/router/drain?wait=false', {});
    expect(early.body.draining).toBe(true);
    const refused = await gateway.chat({ messages: [{ role: 'user', content: 'Who are you?' }] });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(JSON.parse(refused.text).error).toMatchObject({
      code: 'shutting_down',
      message: expect.stringContaining('drained'),
    });
    expect((await post('/router/drain', {})).body).toEqual({ draining: true, drained: true, requests_active: 0 });
    expect((await running).status).toBe(200);
    expect((await gateway.json('/ready')).ready).toBe(false);
    const resumed = await fetch(`${gateway.url}/router/drain`, { method: 'DELETE' });
    expect(await resumed.json()).toMatchObject({ draining: false });
    expect((await gateway.chat({ messages: [{ role: 'user', content: 'Who are you?' }] })).status).toBe(200);
  });
});
