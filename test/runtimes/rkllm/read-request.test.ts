import { describe, expect, it } from 'vitest';
import { readWorkerRequest } from '../../../runtimes/rkllm/read-request.ts';
import type { GatewayError } from '../../../src/core/errors.ts';
import type { ModelPolicy } from '../../../src/core/policy.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';

const messages = [{ role: 'user', content: 'hi' }];

function read(body: object, model: Partial<ModelPolicy> = {}) {
  const request = readWorkerRequest('/v1/chat/completions', JSON.stringify(body), modelPolicy('npu', model), '1.3');
  if (request.kind !== 'chat') throw new Error(`a ${request.kind} request`);
  return request;
}

const errorOf = (read: () => unknown): GatewayError => {
  try {
    read();
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error('it was read');
};

describe('readWorkerRequest', () => {
  it('reads a plain chat', () => {
    expect(read({ messages })).toEqual({
      kind: 'chat',
      stream: false,
      includeUsage: false,
      ignored: [],
      promptTokensGuess: expect.any(Number),
      format: undefined,
      message: {
        kind: 'generate',
        messages,
        tools: [],
        thinking: undefined,
        maxTokens: undefined,
        stop: [],
        sampling: undefined,
        lora: undefined,
      },
    });
  });

  it.each([
    [{ max_tokens: 5 }, 5],
    [{ max_completion_tokens: 7, max_tokens: 5 }, 7],
    [{ max_tokens: -1 }, undefined],
    [{ max_tokens: null }, undefined],
  ])('reads the token limit of %j as %s', (body, maxTokens) => {
    expect(read({ messages, ...body }).message.maxTokens).toBe(maxTokens);
  });

  it.each([
    ['END', ['END']],
    [
      ['a', '', 'b'],
      ['a', 'b'],
    ],
    [null, []],
  ])('reads stop %j as %j', (stop, stops) => {
    expect(read({ messages, stop }).message.stop).toEqual(stops);
  });

  it.each<[object, Partial<ModelPolicy>, boolean | undefined]>([
    [{ chat_template_kwargs: { enable_thinking: false } }, {}, false],
    [{ enable_thinking: true }, { settings: { reasoningBudget: 0 } }, true],
    [{ reasoning_effort: 'none' }, {}, false],
    [{}, { settings: { reasoningBudget: 0 } }, false],
    [{}, {}, undefined],
  ])('reads %j on a model with %j as thinking %s', (body, model, thinking) => {
    expect(read({ messages, ...body }, model).message.thinking).toBe(thinking);
  });

  it('refuses pictures, naming the part', () => {
    const content = [{ type: 'image_url', image_url: { url: 'data:' } }];
    expect(errorOf(() => read({ messages: [{ role: 'user', content }] }))).toMatchObject({
      code: 'unsupported_feature',
    });
  });

  it.each([['{'], ['[]'], ['null'], ['"text"'], ['{"messages":[]}'], ['{}']])('refuses %s', (body) => {
    const error = errorOf(() => readWorkerRequest('/v1/chat/completions', body, modelPolicy('npu'), '1.3'));
    expect(error.code).toBe('invalid_request');
  });

  it('knows no other paths', () => {
    const error = errorOf(() => readWorkerRequest('/v1/audio', '{}', modelPolicy('npu'), '1.3'));
    expect(error).toMatchObject({ code: 'not_found', message: expect.stringContaining('/v1/audio') });
  });
});
