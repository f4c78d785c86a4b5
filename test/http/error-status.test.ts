import { describe, expect, it } from 'vitest';
import { type ErrorCode, GatewayError } from '../../src/core/errors.ts';
import { retryHeaders, statusOf } from '../../src/http/error-status.ts';
import { statusByCode } from '../helpers/error-codes.ts';

const codes = Object.entries(statusByCode) as [ErrorCode, number][];

describe('statusOf', () => {
  it.each(codes)('answers %s with %i', (code, status) => {
    expect(statusOf(new GatewayError(code, 'x'))).toBe(status);
  });

  it("keeps a child's own status", () => {
    expect(statusOf(new GatewayError('runtime_rejected', 'x', { status: 422 }))).toBe(422);
  });
});

describe('retryHeaders', () => {
  const headers = (code: ErrorCode, details = {}) => retryHeaders(new GatewayError(code, 'x', details));

  it('says when to come back in seconds, rounded up, and in milliseconds', () => {
    expect(headers('shutting_down', { retryAfterMs: 1200.4 })).toEqual({
      'retry-after': '2',
      'retry-after-ms': '1201',
    });
    expect(headers('shutting_down', { retryAfterMs: 0 })).toEqual({ 'retry-after': '1', 'retry-after-ms': '1' });
  });

  it('says nothing about a time without end', () => {
    expect(headers('shutting_down', { retryAfterMs: Number.POSITIVE_INFINITY })).toEqual({});
  });

  it('forbids retries that can only fail again, unless the thrower knows better', () => {
    expect(headers('no_usable_model')).toEqual({ 'x-should-retry': 'false' });
    expect(headers('runtime_failed')).toEqual({});
    expect(headers('runtime_failed', { shouldRetry: false })).toEqual({ 'x-should-retry': 'false' });
    expect(headers('queue_full', { shouldRetry: true })).toEqual({});
  });
});
