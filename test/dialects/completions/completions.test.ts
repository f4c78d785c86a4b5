import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import { openAiCompletions } from '../../../src/dialects/completions/codec.ts';
import { createStreamTap } from '../../../src/dialects/openai/stream-tap.ts';

const decode = (body: object) => openAiCompletions.decode(Buffer.from(JSON.stringify(body)), () => undefined);
const recorded = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/dialects/completions', name));
const context = { requestId: requestId('req_1'), receivedAtMs: 0, promptTokens: 3, nowMs: () => 0 };

describe('the facts', () => {
  it.each([
    ['a text', 'Who are you?', 12],
    ['several texts', ['one', 'three'], 8],
    ['tokens', [1, 2, 3], 12],
    ['several prompts of tokens', [[1, 2], [3]], 12],
  ])('of %s tell how long it is', (_, prompt, promptChars) => {
    expect(decode({ prompt }).facts).toMatchObject({ rawPrompt: true, promptChars, model: 'auto', stream: false });
  });

  it('have a beginning to compare only where there is one text', () => {
    expect(decode({ prompt: 'Who are you?' }).facts.prefix?.hashes).toHaveLength(1);
    expect(decode({ prompt: ['a', 'b'] }).facts.prefix).toBeUndefined();
    expect(decode({ prompt: [1, 2] }).facts.prefix).toBeUndefined();
  });

  it('know of a bound, a stream and probabilities', () => {
    const { facts } = decode({ prompt: 'a', max_tokens: 7, stream: true, logprobs: 2, model: 'demo-4b' });
    expect(facts).toMatchObject({ maxTokens: 7, stream: true, logprobs: true, model: 'demo-4b' });
    expect(decode({ prompt: 'a', logprobs: 0 }).facts.logprobs).toBe(false);
  });
});

describe('the body for the engine', () => {
  it('is the one that came, with the model in it', () => {
    const body = decode({ prompt: 'a', model: 'auto', top_k: 3 }).engineBody(modelId('demo-4b'), undefined);
    expect(body.toString()).toBe('{"prompt":"a","model":"demo-4b","top_k":3}');
  });

  it('has the bound of the policy where it is lower', () => {
    const body = decode({ prompt: 'a', max_tokens: 50 }).engineBody(modelId('demo-4b'), 5);
    expect(JSON.parse(body.toString())).toEqual({ prompt: 'a', max_tokens: 5, model: 'demo-4b' });
  });

  it('is a conversation of one message for whoever counts', () => {
    expect(JSON.parse(decode({ prompt: 'a' }).chatBody().toString())).toEqual({
      messages: [{ role: 'user', content: 'a' }],
    });
  });
});

describe('a wrong request', () => {
  it.each([
    ['no prompt', {}, 'prompt'],
    ['a number', { prompt: 3 }, 'prompt'],
    ['nothing', { prompt: [] }, 'prompt'],
    ['a mixture', { prompt: ['a', 1] }, 'prompt'],
    ['no token', { prompt: [[]] }, 'prompt'],
    ['an echo', { prompt: 'a', echo: true }, 'echo'],
    ['an insertion', { prompt: 'a', suffix: 'b' }, 'suffix'],
    ['several answers', { prompt: 'a', n: 2 }, 'n'],
    ['the best of several', { prompt: 'a', best_of: 3 }, 'best_of'],
    ['logprobs of a chat', { prompt: 'a', logprobs: true }, 'logprobs'],
    ['a temperature', { prompt: 'a', temperature: 'hot' }, 'temperature'],
  ])('is refused by the field at fault: %s', (_, body, param) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ param }) }) as unknown as Error,
    );
  });

  it("names the client's own field", () => {
    const error = new GatewayError('context_length_exceeded', 'too long', { param: 'messages' });
    expect(JSON.parse(openAiCompletions.encodeError(error).body).error.param).toBe('prompt');
    expect(decode({ prompt: 'a' }).writer(context).failed(error)).toContain('"param":"prompt"');
    expect(decode({ prompt: 'a', stream: true }).writer(context).failed(error)).toMatch(/^data: .*"prompt".*\n\n$/);
  });
});

describe('what the engine streams', () => {
  it('is seen to have begun with the first text, and passes through', () => {
    const bytes = recorded('llama-text.sse');
    const tap = createStreamTap();
    const first = bytes.indexOf('\n\n') + 2;
    const passed = tap.push(bytes.subarray(0, first));
    expect(tap.hasContent).toBe(true);
    const writer = decode({ prompt: 'a', stream: true }).writer(context);
    const rest = tap.push(bytes.subarray(first));
    expect(tap.end()).toMatchObject({ finishReason: 'stop', outputTokens: 11 });
    const out = [writer.begin(modelId('m')), writer.events(passed), writer.events(rest), writer.end(tap.finish('{}'))];
    expect(out.join('').replace(',"x_router":{}', '')).toBe(bytes.toString());
  });
});
