import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ChildAddress,
  demoPolicy,
  postChat,
  question,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// The same request goes to a child directly and through the gateway to the same child. Once what differs between any two
// runs (id, time, timings) and our own field are taken out, the texts must be equal to the byte.

let gateway: TestGateway;
let child: ChildAddress;

beforeAll(async () => {
  gateway = await startTestGateway(demoPolicy(['tiny']));
  child = await gateway.child('tiny');
});
afterAll(async () => {
  await gateway?.stop();
});

const direct = (body: object) => postChat(child.url, body, { headers: { authorization: `Bearer ${child.key}` } });

const withoutOwnField = (text: string): string =>
  text.replace(/,"x_router":\{.*\}(?=\}\s*(?:data: \[DONE\]\s*)?$)/, '');

const withoutRunFields = (text: string): string =>
  text
    .replace(/"id":"chatcmpl-\w+"/g, '"id":"ID"')
    .replace(/"id":"\w{32}"/g, '"id":"CALL"')
    .replace(/"created":\d+/g, '"created":0')
    .replace(/"(prompt|predicted|cache)_[a-z_]+":[-\d.e+]+/g, '"$1":0');

const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const schema = { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'] };

const bodies: readonly (readonly [string, Record<string, unknown>])[] = [
  ['plain text', {}],
  ['tools', { tools }],
  ['tools that must be called', { tools, tool_choice: 'required' }],
  ['usage asked for', { stream_options: { include_usage: true } }],
  ['logprobs', { logprobs: true, top_logprobs: 3, max_tokens: 4 }],
  ['n_probs, which only llama-server knows', { n_probs: 3, max_tokens: 4 }],
  ['timings per token, which only llama-server knows', { timings_per_token: true, max_tokens: 4 }],
  ['a stop word', { stop: ['tier'] }],
  ['an answer cut short', { max_tokens: 2 }],
  ['a JSON schema', { response_format: { type: 'json_schema', json_schema: { name: 's', schema } }, max_tokens: 64 }],
  ['fields nobody knows', { x_unknown: { deep: [1, '"model"', null] }, max_tokens: 4 }],
  ['text beyond ASCII', { messages: [{ role: 'user', content: 'Grüße 🌍 "model": \\ \u2028' }] }],
  ['an assistant turn to continue', { messages: [question()['messages'], { role: 'assistant', content: 'I' }].flat() }],
];

describe('a stream through the gateway', () => {
  it.each(bodies)('equals the direct one byte for byte with %s', async (_, added) => {
    const body = question({ model: 'tiny', stream: true, seed: 7, temperature: 0, cache_prompt: false, ...added });
    const expected = await direct(body);
    const got = await gateway.chat(body);
    expect(got.status).toBe(200);
    expect(expected.status).toBe(200);
    expect(got.text).toContain(',"x_router":{');
    expect(withoutRunFields(withoutOwnField(got.text))).toBe(withoutRunFields(expected.text));
  });
});

describe('a whole answer through the gateway', () => {
  it.each(bodies)('equals the direct one byte for byte with %s', async (_, added) => {
    const { stream_options: __, ...rest } = added;
    const body = question({ model: 'tiny', seed: 7, temperature: 0, cache_prompt: false, ...rest });
    const expected = await direct(body);
    const got = await gateway.chat(body);
    expect(got.status).toBe(200);
    expect(got.headers.get('content-type')).toBe(expected.headers.get('content-type'));
    expect(got.headers.get('content-length')).toBe(String(Buffer.byteLength(got.text)));
    expect(withoutRunFields(withoutOwnField(got.text))).toBe(withoutRunFields(expected.text));
  });

  it('carries what the engine alone can give', async () => {
    const reply = await gateway.chat(question({ logprobs: true, top_logprobs: 2, max_tokens: 3 }));
    const { content } = JSON.parse(reply.text).choices[0].logprobs;
    expect(content).toHaveLength(3);
    expect(content[0].top_logprobs).toHaveLength(2);
  });
});

describe('an error of the engine', () => {
  it.each([
    ['more choices than slots', { n: 64 }],
    ['a grammar that does not parse', { grammar: 'root ::= (' }],
    [
      'a schema that does not parse',
      { response_format: { type: 'json_schema', json_schema: { schema: { type: 7 } } } },
    ],
  ])('keeps its status and words with %s', async (_, added) => {
    const body = question({ model: 'tiny', max_tokens: 4, ...added });
    const expected = await direct(body);
    const got = await gateway.chat(body);
    expect(expected.status).toBe(400);
    expect(got.status).toBe(expected.status);
    expect(JSON.parse(got.text)).toEqual({
      error: {
        message: JSON.parse(expected.text).error.message,
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    });
  });
});
