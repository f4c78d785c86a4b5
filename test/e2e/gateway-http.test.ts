import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  demoPolicy,
  eventsOf,
  type Parsed,
  question,
  type Reply,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { expectSchema } from '../helpers/openai-schema.ts';

// The front door: who gets in, what is refused and in which words. Every error is OpenAI's error object, held to OpenAI's
// own schema, as is every answer.

const KEY = 'key-of-the-editor';
let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.gateway['body_limit'] = '100KB';
  policy.clients = [
    { name: 'editor', key_env: 'SLUICE_TEST_KEY' },
    { name: 'nobody', key_env: 'SLUICE_TEST_UNSET' },
  ];
  gateway = await startTestGateway(policy, { environment: { ...process.env, SLUICE_TEST_KEY: KEY } });
});
afterAll(async () => {
  await gateway?.stop();
});

const authorized = { headers: { authorization: `Bearer ${KEY}` } };
const ask = (body: unknown) => gateway.chat(body, authorized);

function expectError(reply: Reply, status: number, error: Record<string, unknown>): void {
  expect(reply.status).toBe(status);
  expect(reply.headers.get('content-type')).toContain('application/json');
  const body = JSON.parse(reply.text);
  expectSchema('ErrorResponse', body);
  expect(body.error).toMatchObject(error);
}

describe('a key', () => {
  it.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
    ['the right one in another scheme', { authorization: `Basic ${KEY}` }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['the empty key of a client without one', { 'x-api-key': '' }],
  ])('is needed: %s is refused', async (_, headers) => {
    expectError(await gateway.chat(question(), { headers }), 401, {
      type: 'invalid_request_error',
      code: 'invalid_api_key',
    });
  });

  it.each([
    ['authorization', { authorization: `Bearer ${KEY}` }],
    ['x-api-key', { 'x-api-key': KEY }],
  ])('is taken from %s', async (_, headers) => {
    expect((await gateway.chat(question(), { headers })).status).toBe(200);
    expect(gateway.records().at(-1)?.client).toBe('editor');
  });

  it('guards everything but /health and /ready', async () => {
    for (const path of ['/v1/models', '/router/status', '/router/models', '/router/profiles', '/router/decisions']) {
      expect((await fetch(`${gateway.url}${path}`)).status).toBe(401);
      expect((await fetch(`${gateway.url}${path}`, authorized)).status).toBe(200);
    }
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/ready`)).status).toBe(200);
  });
});

describe('answers', () => {
  it.each([
    ['plain', {}],
    ['with logprobs', { logprobs: true, top_logprobs: 2 }],
    ['cut short', { max_tokens: 2 }],
  ])("fit OpenAI's schema, %s", async (_, added) => {
    const reply = await ask(question(added));
    expectSchema('CreateChatCompletionResponse', JSON.parse(reply.text));
  });

  it('fit it event by event in a stream', async () => {
    const reply = await ask(question({ stream: true, stream_options: { include_usage: true } }));
    const events = eventsOf(reply.text);
    expect(events.length).toBeGreaterThan(5);
    for (const event of events) expectSchema('CreateChatCompletionStreamResponse', event);
  });

  it('carry the request id that was sent, and one of ours where it is no id', async () => {
    const own = await gateway.chat(question(), { headers: { ...authorized.headers, 'x-request-id': 'mine-1' } });
    expect(own.headers.get('x-request-id')).toBe('mine-1');
    const odd = await gateway.chat(question(), { headers: { ...authorized.headers, 'x-request-id': 'a b/c' } });
    expect(odd.headers.get('x-request-id')).toMatch(/^req_/);
  });
});

describe('what is remembered and logged', () => {
  it('holds no word of prompt or answer', async () => {
    const marker = 'prompt-text-that-must-stay-private';
    await ask(
      question({
        messages: [
          { role: 'system', content: marker },
          { role: 'user', content: marker },
        ],
        user: marker,
      }),
    );
    await ask(question({ messages: [{ role: 'user', content: marker }], response_format: { type: marker } }));
    const decisions = await (await fetch(`${gateway.url}/router/decisions`, authorized)).text();
    const events = JSON.stringify(gateway.events);
    expect(decisions).toContain('"outcome"');
    for (const text of [decisions, events]) {
      expect(text).not.toContain(marker);
      expect(text).not.toContain('I am the tiny tier');
      expect(text).not.toContain(KEY);
    }
  });
});

describe('GET /v1/models', () => {
  it("fits OpenAI's schema", async () => {
    const list = (await (await fetch(`${gateway.url}/v1/models`, authorized)).json()) as Parsed;
    expectSchema('ListModelsResponse', list);
    for (const { id } of list.data) {
      const model = await (await fetch(`${gateway.url}/v1/models/${encodeURIComponent(id)}`, authorized)).json();
      expectSchema('Model', model);
    }
  });
});

describe('a body', () => {
  const message = { role: 'user', content: 'hello' };
  it.each<[string, unknown, Record<string, unknown>]>([
    ['that is empty', '', {}],
    ['that is no JSON', '{"model":', {}],
    ['that is an array', '[]', {}],
    ['that is null', 'null', {}],
    ['that nests a hundred thousand levels deep', `{"messages":${'['.repeat(90_000)}`, {}],
    ['that nests a few hundred levels deep', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, {}],
    ['without messages', {}, { param: 'messages' }],
    ['with messages that are text', { messages: 'hello' }, { param: 'messages' }],
    ['with no message', { messages: [] }, { param: 'messages' }],
    ['with a message that is text', { messages: ['hello'] }, { param: 'messages[0]' }],
    [
      'with a role nobody has',
      { messages: [message, { role: 'wizard', content: 'x' }] },
      { param: 'messages[1].role' },
    ],
    ['with a user who says nothing', { messages: [{ role: 'user' }] }, { param: 'messages[0].content' }],
    ['with content that is a number', { messages: [{ role: 'user', content: 7 }] }, { param: 'messages[0].content' }],
    ['with a part without type', { messages: [{ role: 'user', content: [{}] }] }, { param: 'messages[0].content[0]' }],
    [
      'with text that is a number',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] },
      { param: 'messages[0].content[0].text' },
    ],
    [
      'with tool calls that are text',
      { messages: [{ role: 'assistant', tool_calls: 'x' }] },
      { param: 'messages[0].tool_calls' },
    ],
    ['with a model that is a number', { messages: [message], model: 4 }, { param: 'model' }],
    ['with stream as text', { messages: [message], stream: 'yes' }, { param: 'stream' }],
    ['too hot', { messages: [message], temperature: 2.1 }, { param: 'temperature' }],
    ['with top_p over 1', { messages: [message], top_p: 1.5 }, { param: 'top_p' }],
    ['with a bound of zero', { messages: [message], max_tokens: 0 }, { param: 'max_tokens' }],
    ['with a bound as text', { messages: [message], max_completion_tokens: '10' }, { param: 'max_completion_tokens' }],
    ['with half a choice', { messages: [message], n: 0.5 }, { param: 'n' }],
    ['with stop words that are numbers', { messages: [message], stop: [1] }, { param: 'stop' }],
    ['with tools that are an object', { messages: [message], tools: {} }, { param: 'tools' }],
    ['with a tool without a name', { messages: [message], tools: [{ type: 'function' }] }, { param: 'tools' }],
    ['with a tool that is null', { messages: [message], tools: [null] }, { param: 'tools' }],
    [
      'with a format nobody knows',
      { messages: [message], response_format: { type: 'xml' } },
      { param: 'response_format.type' },
    ],
    ['with metadata that is text', { messages: [message], metadata: 'x' }, { param: 'metadata' }],
    ['with a class nobody knows', { messages: [message], metadata: { router_class: 'x' } }, {}],
  ])('%s is refused with 400', async (_, body, error) => {
    expectError(await ask(body), 400, { type: 'invalid_request_error', ...error });
  });

  it('with null for what it does not set is accepted', async () => {
    const nulls = {
      temperature: null,
      max_tokens: null,
      stop: null,
      tools: null,
      response_format: null,
      metadata: null,
    };
    expect((await ask(question(nulls))).status).toBe(200);
  });

  it('over the limit is refused with 413 by its length', async () => {
    const large = question({ padding: 'x'.repeat(200_000) });
    expectError(await ask(large), 413, { code: 'payload_too_large' });
  });

  it('over the limit is refused with 413 while it comes, where it has no length', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes;
        if (text.includes('payload_too_large')) resolve(text);
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => undefined);
    });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = `2710\r\n${'x'.repeat(10_000)}\r\n`;
    socket.write(head + chunk.repeat(12));
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });
});

describe('a path', () => {
  it.each([
    ['GET', '/nothing'],
    ['POST', '/v1/nothing'],
    ['GET', '/router/nothing'],
  ])('%s %s that does not exist is 404', async (method, path) => {
    const response = await fetch(`${gateway.url}${path}`, { method, ...authorized });
    const reply = { status: response.status, headers: response.headers, text: await response.text() };
    expectError(reply, 404, { type: 'invalid_request_error', code: 'not_found' });
  });

  it.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/models', 'GET'],
    ['POST', '/router/status', 'GET'],
    ['GET', '/router/explain', 'POST'],
    ['PUT', '/router/models/tiny/load', 'POST'],
  ])('%s %s with the wrong method is 405 and says which is right', async (method, path, right) => {
    const response = await fetch(`${gateway.url}${path}`, { method, ...authorized });
    const reply = { status: response.status, headers: response.headers, text: await response.text() };
    expectError(reply, 405, { type: 'invalid_request_error', code: 'method_not_allowed' });
    expect(reply.headers.get('allow')?.split(', ')).toContain(right);
  });
});

describe('a gateway that still starts', () => {
  it('keeps requests until the models are known, and forgets clients that left meanwhile', async () => {
    const policy = demoPolicy(['tiny']);
    policy.machine['before_start'] = [{ run: ['sleep', '0.4'] }];
    const starting = await startTestGateway(policy, { settle: false });
    try {
      const abort = new AbortController();
      const gone = starting.chat(question(), { signal: abort.signal, headers: { 'x-request-id': 'gone' } });
      const kept = starting.chat(question(), { headers: { 'x-request-id': 'kept' } });
      expect((await fetch(`${starting.url}/ready`)).status).toBe(503);
      abort.abort();
      await expect(gone).rejects.toThrow('abort');
      expect((await kept).status).toBe(200);
      await starting.idle();
      expect(starting.records().map(({ requestId, outcome }) => [requestId, outcome.kind])).toEqual([['kept', 'ok']]);
    } finally {
      await starting.stop();
    }
  });
});
