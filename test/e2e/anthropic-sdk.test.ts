import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import {
  demoModel,
  demoPolicy,
  type Parsed,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// Anthropic's own client, unchanged, over a llama-server and over an NPU model.

const THOUGHT = '<think>|It asks| for a city.|</think>|\\n\\n|Ulm|.';
const CALL = '<tool_call>|\\n{"name": "get_|weather", "arguments": {"city": "Ulm"}}|\\n</tool_call>';
const BROKEN_CALL = '<tool_call>|\\n{"name": "get_weather", "arguments": {"city": |\\n</tool_call>';
const KEY = 'sk-ant-test-0123456789';

let gateway: TestGateway;
let client: Anthropic;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-messages-'));
  const npu = (name: string, answer: string) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { answer, context: 512, decode_ms: 1 }),
    quality: 0.6,
  });
  const policy = demoPolicy(['demo-4b']);
  policy.gateway = { ...policy.gateway, early_headers: '50ms', heartbeat: '100ms', body_limit: '1MB' };
  policy.models['demo-4b'] = { ...demoModel('demo-4b'), aliases: ['claude-local'], settings: { threads: 1 } };
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.3.0') };
  Object.assign(policy.models, {
    thinker: npu('thinker', THOUGHT),
    caller: npu('caller', CALL),
    stumbler: npu('stumbler', BROKEN_CALL),
    missing: { ...demoModel('demo-9b'), file: '/nowhere/missing.gguf' },
  });
  policy.clients = [
    { name: 'assistant', key_env: 'SLUICE_TEST_KEY_ASSISTANT' },
    { name: 'bot', key_env: 'SLUICE_TEST_KEY_BOT', requests_per_minute: 1, max_tokens: 5 },
  ];
  const environment = { ...process.env, SLUICE_TEST_KEY_ASSISTANT: KEY, SLUICE_TEST_KEY_BOT: 'sk-ant-bot' };
  gateway = await startTestGateway(policy, { environment });
  client = clientWith(KEY);
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const clientWith = (apiKey: string, maxRetries = 0) => new Anthropic({ baseURL: gateway.url, apiKey, maxRetries });
const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'What is the weather in Berlin?' }];
const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const plain = { model: 'demo-4b', max_tokens: 64, messages };
const textOf = ({ content }: Anthropic.Message): string =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');
const callIn = ({ content }: Anthropic.Message) => content.find((block) => block.type === 'tool_use');
const failureOf = (answer: Promise<unknown>): Promise<Parsed> =>
  answer.then(
    () => {
      throw new Error('it was answered');
    },
    (thrown: unknown) => thrown,
  );

describe('models', () => {
  it('are listed in the form of this language, page by page', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list({ limit: 4 })) ids.push(model.id);
    expect(ids).toEqual([
      ...['auto', 'auto:route', 'auto:interactive', 'auto:quality', 'auto:batch'],
      ...['demo-4b', 'thinker', 'caller', 'stumbler', 'missing'],
    ]);
  });

  it('are told one by one, by an alias too', async () => {
    const model = await client.models.retrieve('claude-local');
    expect(model).toMatchObject({ type: 'model', id: 'demo-4b', max_input_tokens: 2048 });
    expect(Date.parse(model.created_at)).toBeGreaterThan(0);
    expect(await failureOf(client.models.retrieve('nope'))).toBeInstanceOf(NotFoundError);
  });
});

describe('messages.create', () => {
  it('answers, told by an alias, with system blocks that are to be cached', async () => {
    const { data, request_id: id } = await client.messages
      .create({
        ...plain,
        model: 'claude-local',
        system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      })
      .withResponse();
    expect(textOf(data)).toBe(sentenceOf('demo-4b'));
    expect(data).toMatchObject({ type: 'message', role: 'assistant', model: 'demo-4b', stop_reason: 'end_turn' });
    expect(data.usage.input_tokens + (data.usage.cache_read_input_tokens ?? 0)).toBeGreaterThan(10);
    expect(data).toMatchObject({
      x_router: { model: 'demo-4b', request_id: id, actual: { ttft_ms: expect.any(Number) } },
    });
    expect(data.id).toBe(id?.replace('req_', 'msg_'));
  });

  it('says what ended the answer: the bound, or which stop sequence', async () => {
    const short = await client.messages.create({ ...plain, max_tokens: 3 });
    expect(short).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 3 } });
    const stopped = await client.messages.create({ ...plain, stop_sequences: ['nothing', ' tier'] });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: ' tier' });
    const ended = await client.messages.create({ ...plain, stop_sequences: ['nothing'] });
    expect(ended).toMatchObject({ stop_reason: 'end_turn', stop_sequence: null });
  });

  it('calls a tool and answers its result', async () => {
    const first = await client.messages.create({ ...plain, tools: [weather], tool_choice: { type: 'any' } });
    const call = callIn(first);
    expect(first.stop_reason).toBe('tool_use');
    expect(call).toMatchObject({ name: 'get_weather', input: { city: 'Berlin' } });
    const second = await client.messages.create({
      ...plain,
      tools: [weather],
      messages: [
        ...messages,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: 'sunny' }] },
      ],
    });
    expect(textOf(second)).toBe(sentenceOf('demo-4b'));
  });

  it('goes on with an answer that the client has begun', async () => {
    const begun: Anthropic.MessageParam[] = [...messages, { role: 'assistant', content: 'I am' }];
    const message = await client.messages.create({ ...plain, messages: begun });
    const streamed = await client.messages.stream({ ...plain, messages: begun }).finalMessage();
    for (const answer of [message, streamed]) expect(`I am${textOf(answer)}`).toBe(sentenceOf('demo-4b'));
  });

  it('keeps to a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: { answer: { enum: ['yes', 'no'] }, sure: { type: 'boolean' } },
      required: ['answer', 'sure'],
      additionalProperties: false,
    };
    const message = await client.messages.create({
      ...plain,
      max_tokens: 200,
      output_config: { format: { type: 'json_schema', schema } },
    });
    expect(JSON.parse(textOf(message))).toEqual({
      answer: expect.stringMatching(/^(yes|no)$/),
      sure: expect.any(Boolean),
    });
  });

  it('gives the thoughts of an NPU model apart from its answer', async () => {
    const message = await client.messages.create({
      ...plain,
      model: 'thinker',
      max_tokens: 2048,
      thinking: { type: 'enabled', budget_tokens: 1024 },
    });
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'It asks for a city.', signature: '' },
      { type: 'text', text: 'Ulm.' },
    ]);
    expect(message).toMatchObject({ x_router: { ignored: ['thinking.budget_tokens'] } });
    // They may be sent back.
    const again = { role: 'assistant', content: message.content } as const;
    const next = await client.messages.create({
      ...plain,
      model: 'thinker',
      messages: [...messages, again, { role: 'user', content: 'And now?' }],
    });
    expect(textOf(next)).toBe('Ulm.');
  });

  it('calls a tool on the NPU, and keeps arguments the model got wrong', async () => {
    const called = await client.messages.create({ ...plain, model: 'caller', tools: [weather] });
    expect(callIn(called)).toMatchObject({ name: 'get_weather', input: { city: 'Ulm' } });
    await fetch(`${gateway.url}/router/models/caller/unload`, { method: 'POST', headers: { 'x-api-key': KEY } });
    const anew = await client.messages.create({ ...plain, model: 'caller', tools: [weather] });
    expect(callIn(anew)?.id).not.toBe(callIn(called)?.id);
    const stumbled = await client.messages.create({ ...plain, model: 'stumbler', tools: [weather] });
    expect(JSON.stringify(stumbled.content)).toContain('city');
  });
});

describe('messages.stream', () => {
  it('puts an answer together, its usage told at the end', async () => {
    const events: Parsed[] = [];
    const stream = client.messages.stream(plain).on('streamEvent', (event) => events.push(structuredClone(event)));
    const message = await stream.finalMessage();
    expect(textOf(message)).toBe(sentenceOf('demo-4b'));
    expect(message).toMatchObject({ model: 'demo-4b', stop_reason: 'end_turn' });
    expect(events.map(({ type }) => type).filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events[0].message.usage.input_tokens).toBeGreaterThan(5);
    expect(events.at(-2)).toMatchObject({ x_router: { model: 'demo-4b' } });
    expect(message.usage.output_tokens).toBe(events.at(-2).usage.output_tokens);
  });

  it('streams a tool call, from llama-server and from the NPU', async () => {
    for (const [model, city] of [
      ['demo-4b', 'Berlin'],
      ['caller', 'Ulm'],
    ] as const) {
      const message = await client.messages.stream({ ...plain, model, tools: [weather] }).finalMessage();
      expect(message.stop_reason).toBe('tool_use');
      expect(callIn(message)).toMatchObject({ name: 'get_weather', input: { city } });
    }
  });

  it('streams thoughts as a block of their own', async () => {
    const { content } = await client.messages.stream({ ...plain, model: 'thinker' }).finalMessage();
    expect(content).toMatchObject([
      { type: 'thinking', thinking: 'It asks for a city.' },
      { type: 'text', text: 'Ulm.' },
    ]);
  });

  it('aborts while decoding, and the lane is free again', async () => {
    const before = gateway.records().length;
    const endless = { ignore_eos: true, max_tokens: 1900 };
    const stream = client.messages.stream({ ...plain, ...endless });
    stream.on('text', () => stream.abort());
    expect(await failureOf(stream.finalMessage())).toBeInstanceOf(APIUserAbortError);
    await until('the abort is noticed', () => gateway.records()[before]?.outcome.kind === 'cancelled');
    expect((await client.messages.create(plain)).stop_reason).toBe('end_turn');
  });

  it('is kept alive by pings while it waits, and can be aborted then', async () => {
    const endless = { ...plain, ignore_eos: true, max_tokens: 1900 };
    const held = client.messages.stream(endless);
    held.finalMessage().catch(() => undefined);
    await new Promise((resolve) => held.once('text', resolve));
    const waiting = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': KEY },
      body: JSON.stringify({ ...plain, stream: true }),
    });
    const reader = waiting.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.split('event: ping').length < 3) text += (await reader?.read())?.value ?? '';
    expect(text).toMatch(/^(event: ping\ndata: {"type":"ping"}\n\n){2,}$/);
    const before = gateway.records().length;
    await reader?.cancel();
    await until('the one that waits has gone', () => gateway.records()[before]?.outcome.kind === 'cancelled');
    held.abort();
    await until('both have gone', () => gateway.records()[before + 1]?.outcome.kind === 'cancelled');
  });

  it('ends with an error event where the model dies in the middle', async () => {
    const rows = await fetch(`${gateway.url}/router/models`, { headers: { 'x-api-key': KEY } });
    const { models } = (await rows.json()) as Parsed;
    const { pid } = models.find(({ id }: { id: string }) => id === 'demo-4b');
    const stream = client.messages.stream({ ...plain, ignore_eos: true, max_tokens: 1900 });
    stream.once('text', () => process.kill(pid, 'SIGKILL'));
    const error = await failureOf(stream.finalMessage());
    expect(error.error).toMatchObject({ type: 'error', error: { type: 'api_error' }, request_id: stream.request_id });
    expect(textOf(await client.messages.create(plain))).toBe(sentenceOf('demo-4b'));
  });

  it('ends with an error event where the request is cancelled by the operator', async () => {
    const stream = client.messages.stream({ ...plain, ignore_eos: true, max_tokens: 1900 });
    stream.once('text', async () => {
      const path = `/router/requests/${stream.request_id}`;
      await fetch(gateway.url + path, { method: 'DELETE', headers: { 'x-api-key': KEY } });
    });
    const error = await failureOf(stream.finalMessage());
    expect(error).toBeInstanceOf(APIError);
    expect(error.error).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  });
});

describe('messages.countTokens', () => {
  it('is what the engine counts, for a model that is up and for auto', async () => {
    const body = { messages, system: 'Be brief.', tools: [weather] };
    const message = await client.messages.create({ ...plain, ...body, max_tokens: 8 });
    const { input_tokens: read, cache_read_input_tokens: cached } = message.usage;
    for (const model of ['demo-4b', 'claude-local']) {
      const count = await client.messages.countTokens({ model, ...body });
      expect(count).toMatchObject({ input_tokens: read + (cached ?? 0), x_router: { estimated: false } });
    }
  });

  it('is an estimate, and says so, for a model nobody can ask', async () => {
    const count = await client.messages.countTokens({ model: 'missing', messages });
    expect(count).toMatchObject({ x_router: { model: 'missing', estimated: true } });
    expect(count.input_tokens).toBeGreaterThan(5);
  });
});

describe('errors', () => {
  const create = (body: object, by = client) => by.messages.create({ ...plain, ...body } as typeof plain);

  it('are BadRequestError naming the field at fault', async () => {
    const error = await failureOf(create({ messages: [{ role: 'user', content: [{ type: 'text' }] }] }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error.type).toBe('invalid_request_error');
    expect(error.apiMessage).toBe('messages[0].content[0].text is missing: a string');
    expect(error.requestID).toBe(error.error.request_id);
    expect(await failureOf(create({ max_tokens: undefined }))).toBeInstanceOf(BadRequestError);
  });

  it('are BadRequestError for what cannot be served', async () => {
    const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } };
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } };
    for (const body of [
      { messages: [{ role: 'user', content: [document] }] },
      { messages: [{ role: 'user', content: [image] }] },
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    ]) {
      expect(await failureOf(create(body))).toBeInstanceOf(BadRequestError);
    }
  });

  it('say that a prompt is too long in the words clients look for', async () => {
    for (const model of ['demo-4b', 'thinker']) {
      const error = await failureOf(
        create({ model, messages: [{ role: 'user', content: 'many words '.repeat(4000) }] }),
      );
      expect(error).toBeInstanceOf(BadRequestError);
      expect(error.apiMessage).toMatch(/^prompt is too long: /);
    }
  });

  it('are NotFoundError, AuthenticationError and 413 where they ought to be', async () => {
    expect(await failureOf(create({ model: 'claude-9' }))).toBeInstanceOf(NotFoundError);
    const stranger = await failureOf(create({}, clientWith('sk-wrong')));
    expect(stranger).toBeInstanceOf(AuthenticationError);
    expect(stranger.type).toBe('authentication_error');
    const large = await failureOf(create({ system: 'x'.repeat(1_100_000) }));
    expect(large).toMatchObject({ status: 413, type: 'request_too_large' });
  });

  it('are RateLimitError with the time to wait', async () => {
    const bot = clientWith('sk-ant-bot');
    expect((await create({}, bot)).usage.output_tokens).toBe(5);
    const error = await failureOf(create({}, bot));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error.type).toBe('rate_limit_error');
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(30);
  });

  it('are overloaded_error for a model that cannot be had, and are not retried', async () => {
    const before = gateway.records().length;
    const error = await failureOf(create({ model: 'missing' }, clientWith(KEY, 5)));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status: 529, type: 'overloaded_error' });
    expect(gateway.records()).toHaveLength(before + 1);
  });

  it('are in this language for a body that is no JSON and for endpoints that are not there', async () => {
    const ask = (path: string, init: RequestInit) =>
      fetch(gateway.url + path, { ...init, headers: { 'x-api-key': KEY } }).then(async (response) => ({
        status: response.status,
        body: (await response.json()) as Parsed,
      }));
    const broken = await ask('/v1/messages', { method: 'POST', body: '{"model":' });
    expect(broken).toMatchObject({ status: 400, body: { type: 'error', error: { type: 'invalid_request_error' } } });
    const batches = await ask('/v1/messages/batches', { method: 'POST', body: '{}' });
    expect(batches).toMatchObject({ status: 404, body: { type: 'error', error: { type: 'not_found_error' } } });
  });
});
