import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { readEngineError, refusedPromptTokens } from '../../src/serve/engine-error.ts';

const read = (status: number, body: unknown) =>
  readEngineError(status, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), modelId('m'));

describe('readEngineError', () => {
  it("keeps the words and status of the client's mistake", () => {
    const error = read(400, { error: { code: 400, message: 'bad grammar', type: 'invalid_request_error' } });
    expect(error).toMatchObject({ code: 'runtime_rejected', message: 'bad grammar', details: { status: 400 } });
  });

  it('takes a failure of the engine for a failed run, which another candidate may not have', () => {
    expect(read(500, { error: { message: 'boom' } })).toMatchObject({
      code: 'runtime_failed',
      message: 'm failed: boom',
    });
    expect(read(503, 'not JSON').message).toContain('m answered with status 503');
  });

  it('gives both figures of a prompt that does not fit', () => {
    const error = { type: 'exceed_context_size_error', message: 'x', n_prompt_tokens: 5000, n_ctx: 2048 };
    expect(read(400, { error })).toMatchObject({
      code: 'context_length_exceeded',
      message: 'the prompt does not fit m: 5000 prompt tokens, context length 2048',
      details: { param: 'messages' },
    });
  });

  it.each(['', 'null', '[]', '{"error":7}', '{"error":{"message":{}}}'])('makes sense of %j', (body) => {
    expect(read(404, body).message).toBe('m answered with status 404');
  });
});

describe('refusedPromptTokens', () => {
  const tokensIn = (error: unknown) => refusedPromptTokens(Buffer.from(JSON.stringify({ error })));

  it("is the engine's own count of a prompt that does not fit", () => {
    expect(tokensIn({ type: 'exceed_context_size_error', n_prompt_tokens: 5000, n_ctx: 2048 })).toBe(5000);
  });

  it.each([
    [{ type: 'exceed_context_size_error' }],
    [{ type: 'exceed_context_size_error', n_prompt_tokens: '5000' }],
    [{ type: 'invalid_request_error', n_prompt_tokens: 5000 }],
    [undefined],
  ])('is nothing in %j', (error) => {
    expect(tokensIn(error)).toBeUndefined();
  });
});
