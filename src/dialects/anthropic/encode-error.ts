import type { ErrorCode, GatewayError } from '../../core/errors.ts';
import type { RequestId } from '../../core/ids.ts';
import type { EncodedError } from '../codec.ts';

/** Anthropic's error object; the id is null for what was not asked of a generation. */
export type AnthropicError = {
  readonly type: 'error';
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id: RequestId | null;
};

/** The error's envelope in Anthropic's language. */
export function encodeError(error: GatewayError, requestId?: RequestId): AnthropicError {
  return {
    type: 'error',
    error: { type: kindOf(error).type, message: messageOf(error) },
    request_id: requestId ?? null,
  };
}

/** The same, as it goes on the wire, with the status the language has for it. */
export const encodeAnthropicError = (error: GatewayError, requestId?: RequestId): EncodedError => ({
  status: kindOf(error).status,
  body: JSON.stringify(encodeError(error, requestId)),
});

type Kind = { readonly type: string; readonly status: number };

const INVALID: Kind = { type: 'invalid_request_error', status: 400 };
const UNAUTHORIZED: Kind = { type: 'authentication_error', status: 401 };
const FORBIDDEN: Kind = { type: 'permission_error', status: 403 };
const NOT_FOUND: Kind = { type: 'not_found_error', status: 404 };
const TOO_LARGE: Kind = { type: 'request_too_large', status: 413 };
const LIMITED: Kind = { type: 'rate_limit_error', status: 429 };
const BROKEN: Kind = { type: 'api_error', status: 500 };
const TIMED_OUT: Kind = { type: 'timeout_error', status: 504 };
const OVERLOADED: Kind = { type: 'overloaded_error', status: 529 };

// A child that failed is the server's fault; a model that cannot be had now is an overloaded one, which is what this
// language's clients wait and come back for unless `x-should-retry` says that it is no use.
const KINDS: Readonly<Record<ErrorCode, Kind>> = {
  invalid_request: INVALID,
  unauthorized: UNAUTHORIZED,
  forbidden: FORBIDDEN,
  not_found: NOT_FOUND,
  method_not_allowed: { ...INVALID, status: 405 },
  model_not_found: NOT_FOUND,
  payload_too_large: TOO_LARGE,
  context_length_exceeded: INVALID,
  unsupported_feature: INVALID,
  rate_limited: LIMITED,
  queue_full: LIMITED,
  deadline_unreachable: LIMITED,
  outside_window: LIMITED,
  no_usable_model: OVERLOADED,
  model_unavailable: OVERLOADED,
  shutting_down: OVERLOADED,
  start_failed: OVERLOADED,
  load_timeout: OVERLOADED,
  runtime_missing: OVERLOADED,
  runtime_failed: BROKEN,
  degenerate_output: BROKEN,
  runtime_rejected: INVALID,
  cancelled: { ...INVALID, status: 499 },
  timeout: TIMED_OUT,
  invalid_config: BROKEN,
  model_file_missing: OVERLOADED,
  model_file_invalid: OVERLOADED,
  data_directory_locked: BROKEN,
  disk_full: BROKEN,
  store_failed: BROKEN,
  usage: INVALID,
};

// A child's own 4xx keeps its number, but only a 400 has a name here that says no more than the number does.
function kindOf({ code, details: { status } }: GatewayError): Kind {
  const kind = KINDS[code];
  return status !== undefined && status < 500 ? { ...kind, status } : kind;
}

// Claude Code shortens the conversation when it reads these words.
const messageOf = ({ code, message }: GatewayError): string =>
  code === 'context_length_exceeded' ? `prompt is too long: ${message}` : message;
