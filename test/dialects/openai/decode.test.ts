import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeChat } from '../../../src/dialects/openai/decode.ts';

const decode = (body: object, headers: Record<string, string> = {}) =>
  decodeChat(Buffer.from(JSON.stringify(body)), (name) => headers[name]);
const user = (content: unknown) => ({ role: 'user', content });
const facts = (body: object, headers?: Record<string, string>) =>
  decode({ messages: [user('hi')], ...body }, headers).facts;

describe('decodeChat', () => {
  it('marks the beginnings of the prompt: tools first, then each message, images by what they are', () => {
    const image = (data: string) => user([{ type: 'image_url', image_url: { url: data } }]);
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const hashes = (body: object) => facts(body).prefix?.hashes ?? [];
    const [one = 0, two = 0] = hashes({ messages: [user('a'), user('b')] });
    expect(hashes({ messages: [user('a'), user('c')] })[0]).toBe(one);
    expect(hashes({ messages: [user('a'), user('c')] })[1]).not.toBe(two);
    expect(hashes({ messages: [user([{ type: 'text', text: 'a' }])] })).toEqual([one]);
    expect(hashes({ messages: [user('a')], tools })).not.toContain(one);
    expect(hashes({ messages: [image('data:1')] })).not.toEqual(hashes({ messages: [image('data:2')] }));
    expect(facts({ messages: [user('abc')], tools }).prefix?.chars.at(-1)).toBe(3 + JSON.stringify(tools).length);
  });

  it('makes no marks where the client wants all of the prompt read again', () => {
    expect(facts({ cache_prompt: false }).prefix).toBeUndefined();
  });

  it('counts what routing needs in one look at the messages', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'In German.' },
      user([
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        { type: 'input_audio', input_audio: {} },
        { type: 'file', file: {} },
      ]),
      { role: 'assistant', content: null, tool_calls: [{ id: 'a' }] },
      { role: 'tool', tool_call_id: 'a', content: 'sunny' },
    ];
    expect(decode({ messages, tools: [{ type: 'function', function: { name: 'f' } }] }).facts).toMatchObject({
      model: 'auto',
      messageCount: 5,
      systemText: 'Be brief.\nIn German.',
      lastUserText: 'What is this?',
      imageCount: 1,
      audioCount: 1,
      toolCount: 1,
      inToolLoop: true,
      promptChars: 9 + 10 + 13 + 5 + '[{"id":"a"}]'.length + '[{"type":"function","function":{"name":"f"}}]'.length,
    });
  });

  it('gives the body back byte for byte', () => {
    const bytes = Buffer.from('{ "messages" : [{"role":"user","content":"x"}], "unknown": 1e2 }');
    expect(decodeChat(bytes, () => undefined).bytes).toBe(bytes);
  });

  it.each([
    [{ max_tokens: 7 }, 7],
    [{ max_completion_tokens: 5, max_tokens: 7 }, 5],
    [{ n_predict: 9 }, 9],
    [{ max_tokens: -1 }, undefined],
    [{ max_tokens: null }, undefined],
    [{}, undefined],
  ])('reads the bound on the output from %j', (body, expected) => {
    expect(facts(body).maxTokens).toBe(expected);
  });

  it.each([
    [{}, 'text'],
    [{ response_format: null }, 'text'],
    [{ response_format: { type: 'text' } }, 'text'],
    [{ response_format: { type: 'json_object' } }, 'json_object'],
    [{ response_format: { type: 'json_schema', json_schema: {} } }, 'json_schema'],
    [{ json_schema: { type: 'object' } }, 'json_schema'],
    [{ grammar: 'root ::= "x"' }, 'grammar'],
    [{ grammar: '' }, 'text'],
  ])('reads the wanted form from %j', (body, expected) => {
    expect(facts(body).responseFormat).toBe(expected);
  });

  it.each([
    [{ logprobs: true }, true],
    [{ n_probs: 2 }, true],
    [{ n_probs: 0 }, false],
    [{ logprobs: false }, false],
  ])('sees whether token probabilities are wanted in %j', (body, expected) => {
    expect(facts(body).logprobs).toBe(expected);
  });

  it('takes the class from the header before the body', () => {
    const metadata = { router_class: 'quality' };
    expect(facts({ metadata }, { 'x-router-class': 'route' }).classHint).toEqual({
      value: 'route',
      source: 'header x-router-class',
    });
    expect(facts({ metadata }).classHint).toEqual({ value: 'quality', source: 'metadata.router_class' });
    expect(facts({ metadata: { router_class: 7 } }).classHint).toBeUndefined();
  });

  it('reads targets in milliseconds and refuses what is none', () => {
    const slo = { 'x-slo-ttft-ms': '500', 'x-slo-e2e-ms': '2.5e3' };
    expect(facts({}, slo)).toMatchObject({ sloTtftMs: 500, sloE2eMs: 2500 });
    expect(() => facts({}, { 'x-slo-ttft-ms': 'soon' })).toThrow('x-slo-ttft-ms must be a positive number');
    expect(() => facts({}, { 'x-slo-e2e-ms': '-1' })).toThrow('x-slo-e2e-ms');
  });

  it('lets llama-server have -1 for no bound', () => {
    expect(() => facts({ max_tokens: -1 })).not.toThrow();
    expect(() => facts({ max_tokens: -2 })).toThrow('max_tokens must be a positive integer, not -2');
  });

  it('counts the text of any conversation exactly', () => {
    const turn = fc.record({
      role: fc.constantFrom('system', 'user', 'assistant'),
      content: fc.string({ unit: 'grapheme' }),
    });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 8 }), (messages) => {
        const { facts: seen } = decode({ messages });
        expect(seen.promptChars).toBe(messages.reduce((sum, { content }) => sum + content.length, 0));
        expect(seen.messageCount).toBe(messages.length);
        expect(seen.lastUserText).toBe(messages.findLast(({ role }) => role === 'user')?.content ?? '');
      }),
    );
  });

  it('answers any JSON with facts or a client mistake, never with a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.jsonValue({ maxDepth: 3 }), (messages, other) => {
        try {
          decode({ messages, tools: other, stop: other, response_format: other, metadata: other });
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_request' });
        }
      }),
    );
  });
});
