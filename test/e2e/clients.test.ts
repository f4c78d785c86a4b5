import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  demoModel,
  demoPolicy,
  type Parsed,
  question,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// What a key may do: limits in the words of whoever asks, and a retry that comes at the time it was told is let in.

const KEYS = { SLUICE_TEST_BOT: 'key-bot', SLUICE_TEST_READER: 'key-reader', SLUICE_TEST_DAY: 'key-day' };
let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.models['other'] = { ...demoModel('tiny'), keep: { idle: '1h' } };
  policy.clients = [
    { name: 'bot', key_env: 'SLUICE_TEST_BOT', requests_per_minute: 60, tokens_per_minute: 100_000 },
    { name: 'reader', key_env: 'SLUICE_TEST_READER', models: ['other'], classes: ['quality', 'interactive'] },
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
    for (let count = 0; count < 200 && reply.status === 200; count += 1) reply = await ask();
    expect(reply.status).toBe(429);
    const waitMs = Number(reply.headers.get('retry-after-ms'));
    expect(waitMs).toBeLessThanOrEqual(1000);
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
    expect(bot.requests).toBeGreaterThan(60);
    const records = gateway.records().filter(({ client }) => client === 'bot');
    const sum = (name: 'promptTokens' | 'outputTokens') =>
      records.reduce((total, { actual }) => total + (actual[name] ?? 0), 0);
    expect([bot.prompt_tokens, bot.output_tokens]).toEqual([sum('promptTokens'), sum('outputTokens')]);
  });
});
