import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { decodeBody } from '../../../src/dialects/anthropic/decode.ts';

const HELLO = [{ role: 'user', content: 'Hello' }];
const decode = (body: object, use: 'generate' | 'count' = 'generate') =>
  decodeBody(Buffer.from(JSON.stringify({ max_tokens: 100, messages: HELLO, ...body })), () => undefined, use);

/** Code, field and message of the error a body is refused with. */
function refusal(body: object): { code: string; param: string | undefined; message: string } {
  try {
    decode(body);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { code: error.code, param: error.details.param, message: error.message };
  }
  throw new Error('it was not refused');
}

describe('decodeBody', () => {
  it('translates the smallest request and leaves the choice of a model to us', () => {
    const { facts, chat, ignored, showsThinking } = decode({});
    expect(chat).toEqual({ max_tokens: 100, messages: HELLO });
    expect(facts).toMatchObject({ model: 'auto', stream: false, maxTokens: 100, lastUserText: 'Hello' });
    expect([ignored, showsThinking]).toEqual([[], true]);
  });

  it('takes sampling over under the names that engines have for it', () => {
    const body = { model: 'm', stream: true, temperature: 0.2, top_p: 0.9, top_k: 40, stop_sequences: ['END'] };
    expect(decode(body).chat).toMatchObject({
      ...{ model: 'm', stream: true, temperature: 0.2, top_p: 0.9, top_k: 40 },
      // Only a verbose request is told which of them ended the answer.
      ...{ stop: ['END'], verbose: true },
    });
    expect(decode({ stop_sequences: [] }).chat).not.toHaveProperty('verbose');
  });

  it('passes on what llama-server has beyond the language', () => {
    const given = { seed: 7, min_p: 0.1, ignore_eos: true, chat_template_kwargs: { tone: 'dry' } };
    const { chat, ignored } = decode(given);
    expect(chat).toMatchObject(given);
    expect(ignored).toEqual([]);
  });

  it('names what has no effect, fields nobody knows included', () => {
    const { ignored } = decode({
      ...{ context_management: { edits: [] }, speed: 'fast', inference_geo: null, of_next_year: 1 },
      ...{ cache_control: { type: 'ephemeral' }, service_tier: 'auto', metadata: { user_id: 'u' } },
    });
    expect(ignored).toEqual(['context_management', 'speed', 'of_next_year']);
  });

  it('reads the class from the metadata, which no engine sees', () => {
    const { facts, chat } = decode({ metadata: { user_id: 'u', router_class: 'quality' } });
    expect(facts.classHint).toEqual({ value: 'quality', source: 'metadata.router_class' });
    expect(chat).not.toHaveProperty('metadata');
  });

  it.each([
    [undefined, undefined, undefined],
    [{ type: 'adaptive' }, undefined, undefined],
    [{ type: 'between_tools' }, undefined, undefined],
    [{ type: 'disabled' }, false, undefined],
    [{ type: 'enabled', budget_tokens: 2048 }, true, 2048],
  ])('thinks as %j says', (thinking, enabled, budget) => {
    const { chat } = decode({ thinking });
    expect(chat['chat_template_kwargs']).toEqual(enabled === undefined ? undefined : { enable_thinking: enabled });
    expect(chat['thinking_budget_tokens']).toBe(budget);
  });

  it('keeps thoughts to itself where the client wants none shown', () => {
    expect(decode({ thinking: { type: 'adaptive', display: 'omitted' } }).showsThinking).toBe(false);
    expect(decode({ thinking: { type: 'adaptive', display: 'summarized' } }).showsThinking).toBe(true);
  });

  it('does not think before an answer the client has begun, and keeps other words for the template', () => {
    const messages = [...HELLO, { role: 'assistant', content: 'The answer is' }];
    expect(decode({ messages, chat_template_kwargs: { tone: 'dry' } }).chat['chat_template_kwargs']).toEqual({
      tone: 'dry',
      enable_thinking: false,
    });
  });

  it('asks for a schema by its present and its former name, and for an effort', () => {
    const format = { type: 'json_schema', schema: { type: 'object' } };
    const wanted = { json_schema: { name: 'output', strict: true, schema: { type: 'object' } } };
    for (const body of [{ output_config: { format } }, { output_format: format }]) {
      const { chat, facts } = decode(body);
      expect(chat['response_format']).toMatchObject(wanted);
      expect(facts.responseFormat).toBe('json_schema');
    }
    expect(decode({ output_config: { effort: 'max' } }).facts.reasoningEffort).toBe('max');
  });

  it('counts tokens without a bound on the answer', () => {
    expect(decode({ max_tokens: undefined }, 'count').chat).not.toHaveProperty('max_tokens');
  });

  it.each([
    [{ max_tokens: undefined }, 'max_tokens', 'max_tokens is missing: an integer of at least 1'],
    [{ max_tokens: 0 }, 'max_tokens', 'max_tokens must be an integer of at least 1, not 0'],
    [{ temperature: 1.5 }, 'temperature', 'temperature must be a number from 0 to 1, not 1.5'],
    [{ top_k: 1.5 }, 'top_k', 'top_k must be an integer of at least 0, not 1.5'],
    [{ stream: 'yes' }, 'stream', 'stream must be true or false, not "yes"'],
    [{ model: 7 }, 'model', 'model must be a string, not 7'],
    [{ stop_sequences: 'END' }, 'stop_sequences', 'stop_sequences must be an array, not "END"'],
    [{ stop_sequences: [1] }, 'stop_sequences[0]', 'stop_sequences[0] must be a string, not 1'],
    [{ thinking: { type: 'deep' } }, 'thinking.type', expect.stringContaining('not "deep"')],
    [{ thinking: { type: 'enabled' } }, 'thinking.budget_tokens', expect.stringContaining('is missing')],
    [{ output_config: { effort: 'some' } }, 'output_config.effort', expect.stringContaining('"xhigh"')],
    [{ output_config: { format: { type: 'xml' } } }, 'output_config.format.type', expect.stringContaining('"xml"')],
    [{ messages: [] }, 'messages', 'messages must be an array of at least one message, not an empty array'],
    [{ metadata: [] }, 'metadata', 'metadata must be an object, not an empty array'],
  ])('refuses %j', (body, param, message) => {
    expect(refusal(body)).toEqual({ code: 'invalid_request', param, message });
  });

  it.each([
    ['container', { container: 'c_1' }],
    ['mcp_servers', { mcp_servers: [{ name: 's' }] }],
    ['tools[0]', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
  ])('refuses %s, without which the answer would be another one', (param, body) => {
    expect(refusal(body)).toMatchObject({ code: 'unsupported_feature', param });
  });

  it('answers or refuses whatever comes, and never breaks', () => {
    const block = fc.record(
      {
        type: fc.constantFrom('text', 'image', 'tool_use', 'tool_result', 'thinking', 'document', 'new'),
        text: fc.jsonValue({ maxDepth: 1 }),
        source: fc.jsonValue({ maxDepth: 2 }),
        id: fc.jsonValue({ maxDepth: 0 }),
        name: fc.jsonValue({ maxDepth: 0 }),
        input: fc.jsonValue({ maxDepth: 1 }),
        tool_use_id: fc.jsonValue({ maxDepth: 0 }),
        content: fc.jsonValue({ maxDepth: 2 }),
      },
      { requiredKeys: ['type'] },
    );
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant', 'system', 'tool'),
      content: fc.oneof(fc.string(), fc.array(block), fc.jsonValue({ maxDepth: 2 })),
    });
    const anything = fc.record(
      {
        messages: fc.array(message),
        system: fc.jsonValue({ maxDepth: 2 }),
        tools: fc.jsonValue({ maxDepth: 3 }),
        tool_choice: fc.jsonValue({ maxDepth: 1 }),
        thinking: fc.jsonValue({ maxDepth: 1 }),
        metadata: fc.jsonValue({ maxDepth: 1 }),
        chat_template_kwargs: fc.jsonValue({ maxDepth: 1 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anything, (body) => {
        try {
          decode(body);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});
