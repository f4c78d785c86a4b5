import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelId, requestId } from '../../../src/core/ids.ts';
import { createReplyWriter } from '../../../src/dialects/anthropic/encode-reply.ts';

const context = { requestId: requestId('req_7'), receivedAtMs: 0, promptTokens: 5, nowMs: () => 0 };
const recorded = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'dialects', 'engine', `${name}.json`));

function replyOf(
  bytes: Buffer,
  given: { ignored?: string[]; showsThinking?: boolean; maxTokens?: number; prefill?: string } = {},
) {
  const { ignored = [], showsThinking = true, prefill = '', maxTokens } = given;
  const writer = createReplyWriter({ context, ignored, showsThinking, prefill, maxTokens: () => maxTokens });
  writer.begin(modelId('demo-4b'));
  return JSON.parse(String(writer.end(bytes)));
}

const called = (text: string, given: object = {}) =>
  Buffer.from(
    JSON.stringify({
      choices: [
        {
          message: { tool_calls: [{ function: { name: 'f', arguments: text }, ...given }] },
          finish_reason: 'tool_calls',
        },
      ],
    }),
  );

describe('a whole message', () => {
  it('is what the SDK expects of one', () => {
    expect(replyOf(recorded('llama-text'))).toEqual({
      id: 'msg_7',
      type: 'message',
      role: 'assistant',
      model: 'demo-4b',
      content: [{ type: 'text', text: 'I am the 4B tier, answering from the middle of the range.', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      // Of 36 prompt tokens 35 came from the cache, which this language counts apart.
      usage: { input_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 35, output_tokens: 11 },
      x_router: expect.objectContaining({ model: 'demo-4b' }),
    });
  });

  it('has thoughts before the text, unless they are not wanted', () => {
    const thoughts = { type: 'thinking', thinking: 'It asks for a city.', signature: '' };
    expect(replyOf(recorded('npu-thinking')).content).toMatchObject([thoughts, { type: 'text' }]);
    expect(replyOf(recorded('npu-thinking'), { showsThinking: false }).content).toMatchObject([{ type: 'text' }]);
  });

  it('has calls with their arguments as objects', () => {
    const { content, stop_reason: reason } = replyOf(recorded('llama-tool-call'));
    expect(content).toEqual([
      { type: 'tool_use', id: expect.any(String), name: 'get_weather', input: { city: 'Berlin' } },
    ]);
    expect(reason).toBe('tool_use');
  });

  it.each([
    ['', {}],
    [' ', {}],
    ['{"a":1}', { a: 1 }],
    ['{"a":', { INVALID_JSON: '{"a":' }],
    ['[1]', { INVALID_JSON: '[1]' }],
    ['null', { INVALID_JSON: 'null' }],
  ])('keeps the arguments %j as %j', (text, input) => {
    expect(replyOf(called(text)).content[0].input).toEqual(input);
  });

  it('gives a call an id where the engine gave none', () => {
    expect(replyOf(called('{}')).content[0].id).toBe('toolu_7_0');
    expect(replyOf(called('{}', { id: 'call_1' })).content[0].id).toBe('call_1');
  });

  it('tells the bound from a full context, and a stop sequence from the end', () => {
    expect(replyOf(recorded('llama-length'), { maxTokens: 3 }).stop_reason).toBe('max_tokens');
    expect(replyOf(recorded('llama-length')).stop_reason).toBe('max_tokens');
    expect(replyOf(recorded('llama-length'), { maxTokens: 99 }).stop_reason).toBe('model_context_window_exceeded');
    expect(replyOf(recorded('llama-stop'))).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: ' tier' });
  });

  it('does not say again what the client has begun', () => {
    const text = ', answering from the middle of the range.';
    expect(replyOf(recorded('llama-text'), { prefill: 'I am the 4B tier' }).content).toMatchObject([{ text }]);
    expect(replyOf(recorded('npu-thinking'), { prefill: 'I am' }).content).toMatchObject([{}, { text: 'Ulm, é.' }]);
  });

  it("tells what had no effect, the engine's fields in the client's words", () => {
    const words = ['reasoning_effort', 'thinking_budget_tokens', 'parallel_tool_calls', 'seed'];
    const bytes = Buffer.from(JSON.stringify({ choices: [], x_router: { model: 'm', ignored: words } }));
    expect(replyOf(bytes, { ignored: ['speed'] }).x_router.ignored).toEqual([
      ...['speed', 'output_config.effort', 'thinking.budget_tokens'],
      ...['tool_choice.disable_parallel_tool_use', 'seed'],
    ]);
  });

  it('throws where the engine sent no JSON, for the caller to tell', () => {
    expect(() => replyOf(Buffer.from('oops'))).toThrow(SyntaxError);
  });
});
