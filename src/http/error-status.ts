import type { ErrorCode, GatewayError } from '../core/errors.ts';

const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  model_not_found: 404,
  payload_too_large: 413,
  context_length_exceeded: 400,
  unsupported_feature: 400,
  rate_limited: 429,
  queue_full: 429,
  deadline_unreachable: 429,
  outside_window: 429,
  no_usable_model: 503,
  model_unavailable: 503,
  shutting_down: 503,
  start_failed: 503,
  load_timeout: 503,
  runtime_missing: 503,
  runtime_failed: 502,
  runtime_rejected: 400,
  degenerate_output: 502,
  cancelled: 499,
  timeout: 504,
  invalid_config: 500,
  model_file_missing: 503,
  model_file_invalid: 503,
  data_directory_locked: 500,
  disk_full: 507,
  store_failed: 500,
  usage: 400,
};

/** Longest `retry-after` that OpenAI's and Anthropic's SDKs wait by themselves. */
const SDK_WAIT_MAX_MS = 60_000;

/** Codes where the same request can only fail again, so SDKs must not try twice more by themselves. */
const POINTLESS: ReadonlySet<ErrorCode> = new Set([
  'queue_full',
  'deadline_unreachable',
  'outside_window',
  'no_usable_model',
  'model_file_missing',
  'model_file_invalid',
  'runtime_missing',
]);

/** HTTP status of an error: the child's own where it gave one. */
export const statusOf = (error: GatewayError): number => error.details.status ?? STATUS[error.code];

/**
 * Headers that tell a client when and whether to come back. `retry-after` in whole seconds, rounded up;
 * `retry-after-ms` exactly, which the OpenAI SDKs prefer.
 */
export function retryHeaders(error: GatewayError): Record<string, string> {
  const headers: Record<string, string> = {};
  const { retryAfterMs, shouldRetry } = error.details;
  if (retryAfterMs !== undefined && Number.isFinite(retryAfterMs)) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
    headers['retry-after-ms'] = String(Math.max(1, Math.ceil(retryAfterMs)));
  }
  // SDKs wait a minute at most; told to wait longer they come back after a second instead.
  const isTooLong = Number.isFinite(retryAfterMs) && Number(retryAfterMs) > SDK_WAIT_MAX_MS;
  if (shouldRetry === false || (shouldRetry === undefined && (isTooLong || POINTLESS.has(error.code))))
    headers['x-should-retry'] = 'false';
  return headers;
}
