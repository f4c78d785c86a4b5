import { describe, expect, it } from 'vitest';
import { checkChatFields } from '../../../src/dialects/openai/chat-fields.ts';

describe('checkChatFields', () => {
  it.each([
    ['model', 7, 'a string'],
    ['stream', 'true', 'true or false'],
    ['temperature', -0.1, 'a number from 0 to 2'],
    ['temperature', '1', 'a number from 0 to 2'],
    ['top_p', 1.01, 'a number from 0 to 1'],
    ['frequency_penalty', -3, 'a number from -2 to 2'],
    ['max_tokens', 1.5, 'a positive integer'],
    ['n', 0, 'a positive integer'],
    ['seed', 1.5, 'an integer'],
    ['stop', [['x']], 'a string or an array of strings'],
    ['top_logprobs', 21, 'a number from 0 to 20'],
    ['tool_choice', [], '"none", "auto", "required" or an object'],
    ['tools', 'get_weather', 'an array of'],
    ['response_format', 'json', 'an object'],
    ['stream_options', [], 'an object'],
    ['logit_bias', 1, 'an object'],
    ['parallel_tool_calls', 1, 'true or false'],
    ['user', {}, 'a string'],
  ])('refuses %s = %j and says what it must be', (name, value, expected) => {
    const check = () => checkChatFields({ [name]: value });
    expect(check).toThrow(`${name} must be ${expected}`);
    expect(check).toThrow(expect.objectContaining({ code: 'invalid_request', details: { param: name } }));
  });

  it('takes null for absent', () => {
    expect(() => checkChatFields({ model: null, stop: null, tools: null, stream: null, n: null })).not.toThrow();
  });

  it('leaves fields it does not know to the engine, even those named like parts of every object', () => {
    const body = JSON.parse('{"constructor":[],"valueOf":1,"toString":"x","__proto__":{"model":3},"min_p":"?"}');
    expect(() => checkChatFields(body)).not.toThrow();
  });

  it('takes tools of other kinds than functions', () => {
    expect(() =>
      checkChatFields({ tools: [{ type: 'custom' }, { type: 'function', function: { name: 'f' } }] }),
    ).not.toThrow();
  });

  it('quotes at most the start of a long value', () => {
    expect(() => checkChatFields({ temperature: 'x'.repeat(5000) })).toThrow(/^.{1,200}$/);
  });
});
