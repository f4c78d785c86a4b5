import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoModel, demoPolicy, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// OpenAI's own client, unchanged: what it can do with OpenAI it can do here.

let gateway: TestGateway;
let client: OpenAI;
const KEY = 'sk-test-0123456789';

beforeAll(async () => {
  const policy = demoPolicy(['tiny', 'demo-4b']);
  policy.models['missing'] = { ...demoModel('demo-9b'), file: '/nowhere/missing.gguf' };
  policy.clients = [
    { name: 'editor', key_env: 'SLUICE_TEST_KEY_EDITOR' },
    { name: 'bot', key_env: 'SLUICE_TEST_KEY_BOT', requests_per_minute: 1, max_tokens: 5 },
  ];
  const environment = { ...process.env, SLUICE_TEST_KEY_EDITOR: KEY, SLUICE_TEST_KEY_BOT: 'sk-bot' };
  gateway = await startTestGateway(policy, { environment });
  client = clientWith(KEY);
});
afterAll(async () => {
  await gateway?.stop();
});

const clientWith = (apiKey: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is the weather in Berlin?' }];
const weather: ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describe('models', () => {
  it('lists the ways to let us choose and every model', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual([
      'auto',
      'auto:route',
      'auto:interactive',
      'auto:quality',
      'auto:batch',
      'tiny',
      'demo-4b',
      'missing',
    ]);
  });

  it('retrieves one, and says so when there is none', async () => {
    expect(await client.models.retrieve('demo-4b')).toMatchObject({
      id: 'demo-4b',
      object: 'model',
      owned_by: 'sluice',
    });
    await expect(client.models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('chat.completions', () => {
  it('answers', async () => {
    const { data, request_id: id } = await client.chat.completions.create({ model: 'auto', messages }).withResponse();
    expect(data.choices[0]?.message.content).toBe(sentenceOf('demo-4b'));
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(data.usage?.total_tokens).toBeGreaterThan(10);
    expect(id).toMatch(/^req_/);
  });

  it('streams, with usage when asked for', async () => {
    const stream = await client.chat.completions.create({
      model: 'tiny',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage?.completion_tokens ?? usage;
    }
    expect(text).toBe(sentenceOf('tiny'));
    expect(usage).toBeGreaterThan(3);
  });

  it('calls a tool and answers its result', async () => {
    const first = await client.chat.completions.create({ model: 'auto', messages, tools: [weather] });
    const message = first.choices[0]?.message;
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    const call = message?.tool_calls?.[0];
    if (message === undefined || call?.type !== 'function') throw new Error('no function was called');
    expect(call.function).toEqual({ name: 'get_weather', arguments: '{"city": "Berlin"}' });
    const second = await client.chat.completions.create({
      model: 'auto',
      messages: [...messages, message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }],
      tools: [weather],
    });
    expect(second.choices[0]?.message.content).toBe(sentenceOf('demo-4b'));
  });

  it('streams a tool call that the SDK puts together', async () => {
    const stream = client.chat.completions.stream({ model: 'auto', messages, tools: [weather] });
    const completion = await stream.finalChatCompletion();
    const call = completion.choices[0]?.message.tool_calls?.[0];
    if (call?.type !== 'function') throw new Error('no function was called');
    expect(call.function.name).toBe('get_weather');
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Berlin' });
  });

  it('keeps to a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: { answer: { enum: ['yes', 'no'] }, sure: { type: 'boolean' } },
      required: ['answer', 'sure'],
      additionalProperties: false,
    };
    const { choices } = await client.chat.completions.create({
      model: 'auto',
      messages,
      max_tokens: 200,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({
      answer: expect.stringMatching(/^(yes|no)$/),
      sure: expect.any(Boolean),
    });
  });

  it('aborts a stream, and the lane is free again', async () => {
    const abort = new AbortController();
    const endless = { ignore_eos: true };
    const stream = await client.chat.completions.create(
      { model: 'demo-4b', messages, stream: true, max_tokens: 1900, ...endless },
      { signal: abort.signal },
    );
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) abort.abort();
    }
    expect(chunks).toBeLessThan(1900);
    await until('the abort is noticed', () => gateway.records().at(-1)?.outcome.kind === 'cancelled');
    const { choices } = await client.chat.completions.create({ model: 'demo-4b', messages });
    expect(choices[0]?.finish_reason).toBe('stop');
  });

  it('aborts a plain request', async () => {
    const abort = new AbortController();
    const endless = { ignore_eos: true };
    const answer = client.chat.completions.create(
      { model: 'demo-4b', messages, max_tokens: 1900, ...endless },
      { signal: abort.signal },
    );
    const before = gateway.records().length;
    const health = { headers: { authorization: `Bearer ${KEY}` } };
    await until('it runs', async () => {
      const status = await (await fetch(`${gateway.url}/router/status`, health)).json();
      return (status as { requests_active: number }).requests_active === 1;
    });
    abort.abort();
    await expect(answer).rejects.toBeInstanceOf(APIUserAbortError);
    await until('the abort is noticed', () => gateway.records()[before]?.outcome.kind === 'cancelled');
  });
});

describe('errors', () => {
  const create = (body: object, by = client) => by.chat.completions.create({ model: 'auto', messages, ...body });

  it('are BadRequestError with the field at fault', async () => {
    const wrong = { temperature: 7 };
    const failure = create(wrong);
    await expect(failure).rejects.toBeInstanceOf(BadRequestError);
    await expect(failure).rejects.toMatchObject({ status: 400, type: 'invalid_request_error', param: 'temperature' });
  });

  it('are NotFoundError with code model_not_found', async () => {
    const failure = create({ model: 'gpt-9' });
    await expect(failure).rejects.toBeInstanceOf(NotFoundError);
    await expect(failure).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  });

  it('are AuthenticationError for a wrong key', async () => {
    const failure = create({}, clientWith('sk-wrong'));
    await expect(failure).rejects.toBeInstanceOf(AuthenticationError);
    await expect(failure).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('are RateLimitError with the time to wait once a client has used its minute', async () => {
    const bot = clientWith('sk-bot');
    const first = await create({}, bot);
    expect(first.choices[0]?.finish_reason).toBe('length');
    expect(first.usage?.completion_tokens).toBe(5);
    const failure = create({}, bot);
    await expect(failure).rejects.toBeInstanceOf(RateLimitError);
    const error = (await failure.catch((thrown: unknown) => thrown)) as RateLimitError;
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(30);
  });

  it('are InternalServerError with the remedy for a model that cannot run', async () => {
    const failure = create({ model: 'missing' });
    await expect(failure).rejects.toBeInstanceOf(InternalServerError);
    await expect(failure).rejects.toMatchObject({ status: 503, code: 'model_unavailable' });
  });

  it('that cannot get better are not retried by the SDK', async () => {
    const patient = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: KEY, maxRetries: 5 });
    const before = gateway.records().length;
    await expect(create({ model: 'missing' }, patient)).rejects.toBeInstanceOf(InternalServerError);
    expect(gateway.records()).toHaveLength(before + 1);
  });
});
