import { describe, expect, it } from 'vitest';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.ts';
import { encodeError } from '../../../src/dialects/openai/encode-error.ts';
import { statusByCode } from '../../helpers/error-codes.ts';
import { expectSchema } from '../../helpers/openai-schema.ts';

const codes = Object.entries(statusByCode) as [ErrorCode, number][];

describe('encodeError', () => {
  it.each(codes)("fits OpenAI's schema for %s", (code) => {
    const body = encodeError(new GatewayError(code, 'what failed'));
    expectSchema('ErrorResponse', body);
    expect(Object.keys(body.error)).toEqual(['message', 'type', 'param', 'code']);
    expect(body.error.message).toBe('what failed');
  });

  it.each(codes.filter(([, status]) => status === 429))('calls %s a rate limit, as SDKs expect with 429', (code) => {
    expect(encodeError(new GatewayError(code, 'x')).error.type).toBe('rate_limit_error');
  });

  it.each(codes.filter(([, status]) => status >= 500))('does not blame the client for %s', (code) => {
    expect(encodeError(new GatewayError(code, 'x')).error.type).toBe('server_error');
  });

  it('uses the type and code a child gave where it gave better ones', () => {
    const wire = { type: 'invalid_request_error', code: null };
    const error = new GatewayError('runtime_failed', 'x', { wire, param: 'stop' });
    expect(encodeError(error).error).toMatchObject({ ...wire, param: 'stop' });
  });
});
