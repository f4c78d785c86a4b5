import { describe, expect, it } from 'vitest';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.ts';
import { requestId } from '../../../src/core/ids.ts';
import { encodeAnthropicError } from '../../../src/dialects/anthropic/encode-error.ts';

const encoded = (code: ErrorCode, details = {}) => {
  const { status, body } = encodeAnthropicError(new GatewayError(code, 'what failed', details), requestId('req_7'));
  const { error } = JSON.parse(body);
  return [status, error.type, error.message];
};

describe("an error in Anthropic's language", () => {
  it.each<[ErrorCode, number, string]>([
    ['invalid_request', 400, 'invalid_request_error'],
    ['unsupported_feature', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['forbidden', 403, 'permission_error'],
    ['not_found', 404, 'not_found_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['method_not_allowed', 405, 'invalid_request_error'],
    ['payload_too_large', 413, 'request_too_large'],
    ['queue_full', 429, 'rate_limit_error'],
    ['deadline_unreachable', 429, 'rate_limit_error'],
    ['cancelled', 499, 'invalid_request_error'],
    ['runtime_failed', 500, 'api_error'],
    ['timeout', 504, 'timeout_error'],
    ['model_unavailable', 529, 'overloaded_error'],
    ['shutting_down', 529, 'overloaded_error'],
    ['load_timeout', 529, 'overloaded_error'],
  ])('is for %s a %d %s', (code, status, type) => {
    expect(encoded(code)).toEqual([status, type, 'what failed']);
  });

  it('says that the prompt is too long in the words clients look for', () => {
    expect(encoded('context_length_exceeded')).toEqual([
      400,
      'invalid_request_error',
      'prompt is too long: what failed',
    ]);
  });

  it("keeps an engine's own 4xx, and never its 5xx", () => {
    expect(encoded('runtime_rejected', { status: 422 })[0]).toBe(422);
    expect(encoded('runtime_failed', { status: 503 })[0]).toBe(500);
  });

  it('carries the id of the request, or null', () => {
    const error = new GatewayError('not_found', 'no such endpoint');
    expect(JSON.parse(encodeAnthropicError(error, requestId('req_7')).body).request_id).toBe('req_7');
    expect(JSON.parse(encodeAnthropicError(error).body)).toEqual({
      type: 'error',
      error: { type: 'not_found_error', message: 'no such endpoint' },
      request_id: null,
    });
  });
});
