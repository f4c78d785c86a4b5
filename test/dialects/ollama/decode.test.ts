import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { ollamaChat, ollamaGenerate } from '../../../src/dialects/ollama/codec.ts';
import { decodeOllamaChat, decodeOllamaGenerate } from '../../../src/dialects/ollama/decode.ts';

const bytesOf = (body: unknown) => Buffer.from(JSON.stringify(body));
const HELLO = [{ role: 'user', content: 'Hello' }];
const chat = (body: object) => decodeOllamaChat(bytesOf({ model: 'm', messages: HELLO, ...body }));
const generate = (body: object) => decodeOllamaGenerate(bytesOf({ model: 'm', prompt: 'Hello', ...body }));

/** Message and field of the error a body is refused with. */
function refusal(decode: () => unknown): readonly [string, string | undefined] {
  try {
    decode();
  } catch (error) {
    if (error instanceof GatewayError) return [error.message, error.details.param];
    throw error;
  }
  throw new Error('it was not refused');
}

describe('decodeOllamaChat', () => {
  it('streams unless told otherwise, and leaves the choice of a model to us where none is named', () => {
    expect(decodeOllamaChat(bytesOf({ messages: HELLO }))).toEqual({
      chat: { model: 'auto', messages: HELLO, stream: true },
      keep: undefined,
      residency: undefined,
      ignored: [],
      raw: undefined,
    });
    expect(chat({ stream: false }).chat['stream']).toBe(false);
    expect(chat({ model: 'auto:latest' }).chat['model']).toBe('auto');
  });

  it('takes settings over under the names that engines have for them', () => {
    const options = { temperature: 0.2, top_k: 40, stop: ['a'], seed: 7, num_predict: 12, repeat_penalty: 1.1 };
    expect(chat({ options }).chat).toMatchObject({
      temperature: 0.2,
      top_k: 40,
      stop: ['a'],
      seed: 7,
      max_tokens: 12,
      repeat_penalty: 1.1,
    });
  });

  it.each([-1, -2, 0])('has no bound where num_predict is %d', (bound) => {
    expect(chat({ options: { num_predict: bound } }).chat).not.toHaveProperty('max_tokens');
  });

  it('names what nobody can honour instead of dropping it', () => {
    const { ignored } = chat({ options: { num_ctx: 4096, num_gpu: 1, stop: [] }, truncate: true, shift: false });
    expect(ignored).toEqual(['options.num_ctx', 'options.num_gpu', 'truncate']);
  });

  it('asks for JSON, for a schema, or for text', () => {
    const schema = { type: 'object' };
    expect(chat({ format: 'json' }).chat['response_format']).toEqual({ type: 'json_object' });
    expect(chat({ format: schema }).chat['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'format', schema },
    });
    expect(chat({ format: '' }).chat).not.toHaveProperty('response_format');
  });

  it('says whether and how hard to think', () => {
    expect(chat({ think: false }).chat['chat_template_kwargs']).toEqual({ enable_thinking: false });
    expect(chat({ think: 'max' }).chat).toMatchObject({
      reasoning_effort: 'high',
      chat_template_kwargs: { enable_thinking: true, reasoning_effort: 'high' },
    });
    expect(chat({}).chat).not.toHaveProperty('chat_template_kwargs');
  });

  it('gives calls an id and matches results to them by the tool, else in order', () => {
    const messages = [
      ...HELLO,
      {
        role: 'assistant',
        content: '',
        thinking: 'hm',
        tool_calls: [
          { function: { name: 'a', arguments: { x: 1 } } },
          { id: 'mine', function: { name: 'b', arguments: '{"y":2}' } },
        ],
      },
      { role: 'tool', tool_name: 'b', content: 'two' },
      { role: 'tool', content: 'one' },
    ];
    const read = chat({ messages }).chat['messages'] as Record<string, unknown>[];
    expect(read[1]).toEqual({
      role: 'assistant',
      content: '',
      reasoning_content: 'hm',
      tool_calls: [
        { id: 'call_1_0', type: 'function', function: { name: 'a', arguments: '{"x":1}' } },
        { id: 'mine', type: 'function', function: { name: 'b', arguments: '{"y":2}' } },
      ],
    });
    expect(read.slice(2)).toEqual([
      { role: 'tool', content: 'two', tool_call_id: 'mine', name: 'b' },
      { role: 'tool', content: 'one', tool_call_id: 'call_1_0' },
    ]);
  });

  it('makes data URLs of images', () => {
    const messages = [{ role: 'user', content: 'What is it?', images: ['iVBORw0KGgoAAA=='] }];
    const decoded = ollamaChat.decode(bytesOf({ model: 'm', messages }), () => undefined);
    expect(decoded.facts.imageCount).toBe(1);
    expect(JSON.parse(decoded.engineBody('m' as never, undefined) as string).messages[0].content).toEqual([
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgoAAA==' } },
    ]);
  });

  it('loads where there is no message, and unloads where it is not to be kept', () => {
    expect(decodeOllamaChat(bytesOf({ model: 'm' })).residency).toBe('load');
    expect(decodeOllamaChat(bytesOf({ model: 'm', messages: [], keep_alive: 0 }))).toMatchObject({
      residency: 'unload',
      keep: { kind: 'never' },
    });
    expect(chat({ keep_alive: 0 })).toMatchObject({ residency: undefined, keep: { kind: 'never' } });
  });

  it.each([
    [{ messages: 'Hello' }, 'messages must be an array, not "Hello"', 'messages'],
    [{ messages: [1] }, 'messages[0] must be an object with role and content, not 1', 'messages[0]'],
    [
      { messages: [{ role: 'king' }] },
      'messages[0].role must be one of system, user, assistant, tool, not "king"',
      'messages[0].role',
    ],
    [
      { messages: [{ role: 'user', content: [] }] },
      'messages[0].content must be a string, not an array',
      'messages[0].content',
    ],
    [
      { messages: [{ role: 'user', content: 'x', images: ['no image'] }] },
      'messages[0].images[0] must be a JPEG, PNG, WebP, GIF or BMP image in base64, not "no image…"',
      'messages[0].images[0]',
    ],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'a', arguments: 3 } }] }] },
      'messages[0].tool_calls[0].function.arguments must be an object, not 3',
      'messages[0].tool_calls[0].function.arguments',
    ],
    [{ stream: 'yes' }, 'stream must be true or false, not "yes"', 'stream'],
    [{ options: { temperature: 9 } }, 'options.temperature must be a number from 0 to 2, not 9', 'options.temperature'],
    [{ options: { num_predict: 1.5 } }, 'options.num_predict must be an integer, not 1.5', 'options.num_predict'],
    [{ format: 'yaml' }, 'format must be "json" or a JSON schema, not "yaml"', 'format'],
    [{ think: 'a lot' }, 'think must be true, false, "low", "medium", "high" or "max", not "a lot"', 'think'],
    [
      { keep_alive: 'for ever' },
      'keep_alive must be a number of seconds or a duration such as "5m" (0 = unload at once, negative = keep), not "for ever"',
      'keep_alive',
    ],
  ])('refuses %j', (body, message, param) => {
    expect(refusal(() => chat(body))).toEqual([message, param]);
  });

  it('answers any JSON with a request or with the field at fault', () => {
    const names = ['model', 'messages', 'stream', 'options', 'format', 'think', 'keep_alive', 'tools', 'logprobs'];
    const body = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
    fc.assert(
      fc.property(body, (value) => {
        try {
          ollamaChat.decode(bytesOf(value), () => undefined);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).code).toBe('invalid_request');
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('decodeOllamaGenerate', () => {
  it('makes a conversation of system and prompt', () => {
    expect(generate({ system: 'Be brief.' }).chat['messages']).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
    ]);
  });

  it('loads where the prompt is empty', () => {
    expect(decodeOllamaGenerate(bytesOf({ model: 'm' })).residency).toBe('load');
    expect(ollamaGenerate.decode(bytesOf({ model: 'm', prompt: '' }), () => undefined).facts.model).toBe('m');
  });

  it('wants a model to load where there is nothing to answer', () => {
    for (const body of [{}, { model: 'auto', prompt: '' }])
      expect(refusal(() => decodeOllamaGenerate(bytesOf(body)))[1]).toBe('model');
  });

  it('sends a raw prompt past the chat template', () => {
    const body = { model: 'm', prompt: '<s>Hello', raw: true, system: 'Be brief.', format: { type: 'object' } };
    const { facts, enginePath, engineBody } = ollamaGenerate.decode(
      bytesOf({ ...body, think: false }),
      () => undefined,
    );
    expect([facts.rawPrompt, facts.responseFormat, enginePath]).toEqual([true, 'json_schema', '/v1/completions']);
    expect(JSON.parse(String(engineBody('m' as never, 9)))).toEqual({
      model: 'm',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 9,
      prompt: '<s>Hello',
      json_schema: { type: 'object' },
    });
    expect(decodeOllamaGenerate(bytesOf(body)).ignored).toEqual(['system']);
    expect(refusal(() => generate({ raw: true, images: ['/9j/4AAQ'] }))[1]).toBe('images');
  });

  it('asks about an image without a prompt', () => {
    expect(decodeOllamaGenerate(bytesOf({ images: ['/9j/4AAQ'] })).residency).toBeUndefined();
  });

  it.each(['suffix', 'template', 'context'])('refuses %s, saying why, but not where it asks for nothing', (name) => {
    const said = { suffix: 'x', template: '{{ .Prompt }}', context: [1, 2] }[name];
    const nothing = { suffix: '', template: '', context: [] }[name];
    const [message, param] = refusal(() => generate({ [name]: said }));
    expect(message).toMatch(new RegExp(`^${name} is not supported: `));
    expect(param).toBe(name);
    expect(generate({ [name]: nothing }).ignored).toEqual([]);
  });
});
