import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  contentOf,
  demoModel,
  demoPolicy,
  type Parsed,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
  until,
} from '../helpers/gateway.ts';

// What a key may do: limits in the words of whoever asks, and a retry that comes at the time it was told is let in.

const KEYS = {
  SLUICE_TEST_BOT: 'key-bot',
  SLUICE_TEST_READER: 'key-reader',
  SLUICE_TEST_DAY: 'key-day',
  SLUICE_TEST_AGAIN: 'key-reader-2',
  SLUICE_TEST_OTHER: 'key-other',
};
let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  // Room for an answer that takes seconds, so that somebody has to wait for it.
  Object.assign(policy.runtimes['llama']?.['settings'] ?? {}, { context: 16_384 });
  policy.models['other'] = { ...demoModel('tiny'), keep: { idle: '1h' } };
  policy.clients = [
    { name: 'bot', key_env: 'SLUICE_TEST_BOT', requests_per_minute: 20, tokens_per_minute: 100_000 },
    { name: 'reader', key_env: 'SLUICE_TEST_READER', models: ['other'], classes: ['quality', 'interactive'] },
    { name: 'again', key_env: 'SLUICE_TEST_AGAIN' },
    { name: 'other', key_env: 'SLUICE_TEST_OTHER', models: ['other'] },
    { name: 'day', key_env: 'SLUICE_TEST_DAY', daily: { requests: 1 } },
  ];
  gateway = await startTestGateway(policy, { environment: { ...process.env, ...KEYS } });
});
afterAll(async () => {
  await gateway?.stop();
});

const as = (key: string): RequestInit => ({ headers: { authorization: `Bearer ${key}` } });
const json = async (path: string, key: string) =>
  (await (await fetch(`${gateway.url}${path}`, as(key))).json()) as Parsed;

describe('models and classes of a client', () => {
  it('hold for batches too', async () => {
    const submit = async (key: string, metadata: object, model: string) => {
      const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
      const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: question({ model }) };
      const file = await openai.files.create({ file: new File([JSON.stringify(line)], 'a.jsonl'), purpose: 'batch' });
      const given = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
      const { id } = await openai.batches.create({ ...given, metadata: { ...metadata } });
      return until('the lines are read', async () => {
        const batch = await openai.batches.retrieve(id);
        return batch.status !== 'validating' && batch;
      });
    };
    await expect(submit('key-reader', {}, 'auto')).rejects.toMatchObject({ status: 403, code: 'forbidden' });
    await expect(submit('key-other', { x_model: 'tiny' }, 'auto')).rejects.toMatchObject({ status: 403 });
    expect(await submit('key-other', {}, 'tiny')).toMatchObject({
      status: 'failed',
      errors: { data: [{ line: 1, code: 'forbidden', param: 'body.model' }] },
    });
  });

  it('are all it is routed to', async () => {
    const reply = await gateway.chat(question(), as('key-reader'));
    expect([reply.status, reply.headers.get('x-router-model')]).toEqual([200, 'other']);
  });

  it.each([
    [{ model: 'tiny' }, 'tiny is not open to client reader; it may use other'],
    [{ model: 'auto:batch' }, 'class batch is not open to client reader; it may use quality, interactive'],
  ])('refuse %j with 403', async (added, message) => {
    const reply = await gateway.chat(question(added), as('key-reader'));
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.text).error).toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining(message),
    });
  });

  it('are what it finds in the list', async () => {
    const { data } = await json('/v1/models', 'key-reader');
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['auto', 'auto:interactive', 'auto:quality', 'other']);
  });

  it('give way where the class was our own guess', async () => {
    const reply = await gateway.chat(question({ max_tokens: 4 }), as('key-reader'));
    expect([reply.status, reply.headers.get('x-router-class')]).toEqual([200, 'quality']);
  });
});

describe('a client with limits', () => {
  it.each([
    ['POST', '/router/drain'],
    ['DELETE', '/router/drain'],
    ['POST', '/router/models/tiny/unload'],
  ])('may not change what others can use: %s %s', async (method, path) => {
    const refused = await fetch(`${gateway.url}${path}`, { method, ...as('key-reader') });
    expect([refused.status, ((await refused.json()) as Parsed).error.code]).toEqual([403, 'forbidden']);
    expect((await gateway.chat(question({ model: 'tiny' }), as('key-reader-2'))).status).toBe(200);
  });

  it('may load what is open to it', async () => {
    const init = { method: 'POST', body: JSON.stringify({ model: 'other' }), ...as('key-reader') };
    expect((await fetch(`${gateway.url}/v1/models/load`, init)).status).toBe(200);
  });
});

describe('a limit', () => {
  it('is told in the words of whoever asks', async () => {
    const first = await gateway.chat(question(), as('key-day'));
    expect(first.status).toBe(200);
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'key-day' });
    const refused = await openai.chat.completions.create(question() as never).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'key-day' });
    const asked = { model: 'tiny', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Who are you?' }] };
    const refusedToo = await anthropic.messages.create(asked).catch((error: unknown) => error);
    expect(refusedToo).toBeInstanceOf(Anthropic.RateLimitError);
    // No SDK tried again: midnight is too far.
    const { clients } = await json('/router/status', 'key-day');
    expect(clients.find(({ name }: { name: string }) => name === 'day').today).toMatchObject({
      requests: 1,
      refused: 2,
    });
  });

  it('lets a request in that comes back at the time it was told', async () => {
    const ask = () => gateway.chat(question({ max_tokens: 1 }), as('key-bot'));
    let reply = await ask();
    for (let count = 0; count < 60 && reply.status === 200; count += 1) reply = await ask();
    expect(reply.status).toBe(429);
    const waitMs = Number(reply.headers.get('retry-after-ms'));
    expect(waitMs).toBeLessThanOrEqual(3000);
    expect(reply.headers.get('x-should-retry')).toBeNull();
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'key-bot', maxRetries: 1 });
    const answer = await openai.chat.completions.create(question({ max_tokens: 1 }) as never);
    expect(answer.choices).toHaveLength(1);
  });
});

describe('usage', () => {
  it('is counted for each client in tokens, and survives in the database', async () => {
    const { usage } = await json('/router/usage', 'key-bot');
    const bot = usage.find(({ client }: { client: string }) => client === 'bot');
    expect(bot.requests).toBeGreaterThanOrEqual(20);
    const records = gateway.records().filter(({ client }) => client === 'bot');
    const sum = (name: 'promptTokens' | 'outputTokens') =>
      records.reduce((total, { actual }) => total + (actual[name] ?? 0), 0);
    expect([bot.prompt_tokens, bot.output_tokens]).toEqual([sum('promptTokens'), sum('outputTokens')]);
  });
});

describe('a request that is sent again with its Idempotency-Key', () => {
  const LONG = question({ model: 'tiny', max_tokens: 400, ignore_eos: true, stream: true });
  const keyed = (key: string, init: RequestInit = {}): RequestInit => ({
    ...init,
    headers: { authorization: 'Bearer key-reader-2', 'idempotency-key': key },
  });
  const runs = () => gateway.records().length;

  it('runs once, and both get the whole answer', async () => {
    const before = runs();
    const first = gateway.chat(LONG, keyed('one'));
    await until('it runs', async () => (await json('/router/status', 'key-reader-2')).requests_active === 1);
    const [one, two] = await Promise.all([first, gateway.chat(LONG, keyed('one'))]);
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(two.text).toBe(one.text);
    expect(contentOf(one.text).length).toBeGreaterThan(400);
    expect(two.headers.get('x-request-id')).toBe(one.headers.get('x-request-id'));
    expect([one, two].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    const late = await gateway.chat(LONG, keyed('one'));
    expect(late.text).toBe(one.text);
    expect(runs()).toBe(before + 1);
  });

  it('goes on for who is left, and stops when nobody is', async () => {
    const before = runs();
    const [gone, goneToo] = [new AbortController(), new AbortController()];
    const body = JSON.stringify({ ...LONG, max_tokens: 100_000 });
    const begin = async ({ signal }: AbortController) => {
      const init = keyed('two', { method: 'POST', body, signal });
      const reader = (await fetch(`${gateway.url}/v1/chat/completions`, init)).body?.getReader();
      await reader?.read();
      return reader;
    };
    await begin(gone);
    const second = await begin(goneToo);
    gone.abort();
    for (let count = 0; count < 5; count += 1) expect((await second?.read())?.done).toBe(false);
    expect(runs()).toBe(before);
    goneToo.abort();
    await until('the run is over', () => runs() === before + 1);
    await until(
      'the lane is free',
      async () => (await json('/router/status', 'key-bot')).lanes[0].running.length === 0,
    );
  });

  it('is refused where the body is another one, and run again where it failed', async () => {
    expect((await gateway.chat(question({ model: 'tiny' }), keyed('three'))).status).toBe(200);
    const other = await gateway.chat(question({ model: 'tiny', seed: 1 }), keyed('three'));
    expect(other.status).toBe(400);
    expect(JSON.parse(other.text).error).toMatchObject({ param: 'Idempotency-Key' });
    const wrong = question({ model: 'nobody' });
    for (let count = 0; count < 2; count += 1) {
      const reply = await gateway.chat(wrong, keyed('four'));
      expect([reply.status, reply.headers.get('idempotent-replayed')]).toEqual([404, null]);
    }
  });
});

describe('a client that asked to be told', () => {
  it('sees in its stream how many come before it and how long that will take', async () => {
    const first = gateway.chat(question({ model: 'tiny', max_tokens: 100_000, ignore_eos: true }), {
      headers: { authorization: 'Bearer key-reader-2', 'x-request-id': 'long' },
    });
    await until('it runs', async () => (await json('/router/status', 'key-reader-2')).requests_active === 1);
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'key-reader-2' });
    const asked = {
      model: 'tiny',
      messages: [{ role: 'user' as const, content: 'Who are you?' }],
      stream: true as const,
    };
    const stream = await openai.chat.completions.create(asked, { headers: { 'x-router-progress': '1' } });
    const told: Parsed[] = [];
    let text = '';
    for await (const chunk of stream) {
      const { progress } = (chunk as Parsed).x_router ?? {};
      if (progress !== undefined && told.push(progress) === 1) {
        await fetch(`${gateway.url}/router/requests/long`, { method: 'DELETE', ...as('key-reader-2') });
      }
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(told[0]).toEqual({
      phase: 'queue',
      ahead: 0,
      elapsed_ms: expect.any(Number),
      remaining_ms: expect.any(Number),
    });
    expect(text).toBe(sentenceOf('tiny'));
    expect((await first).status).toBe(499);
  });
});

describe('cancelling', () => {
  it('is for whoever asked, and for a key without limits', async () => {
    const running = (id: string) =>
      gateway.chat(question({ ignore_eos: true, max_tokens: 1500 }), {
        headers: { authorization: 'Bearer key-other', 'x-request-id': id },
      });
    const cancel = async (id: string, key: string) =>
      (await fetch(`${gateway.url}/router/requests/${id}`, { ...as(key), method: 'DELETE' })).status;
    const began = (id: string) =>
      until(`${id} runs`, async () =>
        (await json('/router/status', 'key-reader-2')).requests_active > 0 ? id : false,
      );
    const first = running('theirs');
    await Promise.race([began('theirs'), first.then(({ text }) => Promise.reject(new Error(text)))]);
    expect(await cancel('theirs', 'key-reader')).toBe(403);
    expect(await cancel('theirs', 'key-other')).toBe(200);
    expect((await first).status).toBe(499);
    const second = running('again');
    await began('again');
    expect(await cancel('again', 'key-reader-2')).toBe(200);
    expect((await second).status).toBe(499);
  });
});
