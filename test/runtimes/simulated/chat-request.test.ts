import { describe, expect, it } from 'vitest';
import { countPromptTokens, readChatRequest } from '../../../runtimes/simulated/chat-request.ts';
import { commonTokens, promptTokensOf, tokensOf } from '../../../runtimes/simulated/prompt.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { median } from '../../../src/core/stats.ts';

const settings = { contextTokens: 200, slots: 1, thinking: false };
const messages = [{ role: 'user', content: 'Who are you?' }];
const read = (body: unknown, given = settings) => readChatRequest(JSON.stringify(body), given, seededRandom(1));

describe('readChatRequest', () => {
  it.each([
    ['the length it asks for', { simulated: { output_tokens: 12 } }, 12, 'stop'],
    ['no more than max_tokens', { simulated: { output_tokens: 12 }, max_tokens: 5 }, 5, 'length'],
    [
      'max_completion_tokens before max_tokens',
      { max_completion_tokens: 3, max_tokens: 9, ignore_eos: true },
      3,
      'length',
    ],
    ['as far as the context reaches where it must not end', { ignore_eos: true }, 192, 'length'],
  ])('an answer has %s', (_, added, outputTokens, finishReason) => {
    expect(read({ messages, ...added })).toMatchObject({ outputTokens, finishReason });
  });

  it('a prompt that fills the context is refused as llama-server does', () => {
    const long = [{ role: 'user', content: 'x'.repeat(4 * 195) }];
    expect(read({ messages: long })).toMatchObject({
      code: 400,
      type: 'exceed_context_size_error',
      n_prompt_tokens: 200,
      n_ctx: 200,
    });
  });

  it.each([
    ['{', /parse error/],
    ['null', /'messages' to be an array/],
    ['{"messages":"x"}', /'messages' to be an array/],
  ])('%s is refused', (text, message) => {
    expect(readChatRequest(text, settings, seededRandom(1))).toMatchObject({
      code: 400,
      type: 'invalid_request_error',
      message: expect.stringMatching(message),
    });
  });

  it('counts its prompt as it is told, and brings its own luck', () => {
    const prompt = [...promptTokensOf(messages, undefined)];
    const wish = { prompt_tokens: 40, prefill_factor: 1.1, decode_factor: 0.9 };
    const longer = read({ messages, simulated: wish });
    expect(longer).toMatchObject({ factors: { prefill: 1.1, decode: 0.9 } });
    expect(longer).toHaveProperty('prompt.length', 40);
    expect(read({ messages, simulated: { prompt_tokens: 3 } })).toMatchObject({
      prompt: prompt.slice(0, 3),
      factors: undefined,
    });
  });

  it('thinks only where the model does', () => {
    const body = { messages, simulated: { output_tokens: 4, thinking_tokens: 6 } };
    expect(read(body)).toMatchObject({ outputTokens: 4, thinkingTokens: 0 });
    expect(read(body, { ...settings, thinking: true })).toMatchObject({ outputTokens: 10, thinkingTokens: 6 });
  });

  it('draws lengths around the median of the class', () => {
    const random = seededRandom(3);
    const roomy = { ...settings, contextTokens: 100_000 };
    const text = JSON.stringify({ messages, simulated: { class: 'quality' } });
    const lengths = Array.from({ length: 4000 }, (): number => {
      const request = readChatRequest(text, roomy, random);
      return 'code' in request ? Number.NaN : request.outputTokens;
    });
    expect(Math.abs((median(lengths) ?? 0) / 150 - 1)).toBeLessThan(0.06);
  });
});

describe('promptTokensOf', () => {
  it('a conversation that goes on begins with the prompt and the answer it had', () => {
    const before = promptTokensOf(messages, undefined);
    const answer = 'I am a model that is simulated.';
    const after = promptTokensOf([...messages, { role: 'assistant', content: answer }, ...messages], undefined);
    expect(commonTokens(after, [...before, ...tokensOf(answer)])).toBe(before.length + tokensOf(answer).length);
  });

  it('four characters are a token and a message three more', () => {
    expect(countPromptTokens(JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(400) }] }))).toBe(105);
    expect(countPromptTokens(JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'abcd' }] }] }))).toBe(6);
  });
});
