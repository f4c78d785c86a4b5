import type { ErrorCode, GatewayError } from '../../core/errors.ts';
import type { EncodedError } from '../codec.ts';

/** OpenAI's error object: all four keys are always there. */
export type OpenAiError = {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
};

/** The error's envelope in the OpenAI dialect. */
export function encodeError(error: GatewayError): OpenAiError {
  const known = ENVELOPES[error.code];
  const { wire, param } = error.details;
  return {
    error: {
      message: error.message,
      type: wire?.type ?? known.type,
      param: param ?? null,
      code: wire?.code === undefined ? known.code : wire.code,
    },
  };
}

/** The same, as it goes on the wire. */
export const encodeOpenAiError = (error: GatewayError): EncodedError => ({ body: JSON.stringify(encodeError(error)) });

type Envelope = { readonly type: string; readonly code: string | null };

const badRequest = (code: string | null): Envelope => ({ type: 'invalid_request_error', code });
const serverError = (code: string): Envelope => ({ type: 'server_error', code });
const overloaded = (code: string): Envelope => ({ type: 'rate_limit_error', code });

// Types and codes are OpenAI's where it has one for the case, because SDKs and editors branch on them.
const ENVELOPES: Readonly<Record<ErrorCode, Envelope>> = {
  invalid_request: badRequest(null),
  unauthorized: badRequest('invalid_api_key'),
  forbidden: badRequest('forbidden'),
  not_found: badRequest('not_found'),
  method_not_allowed: badRequest('method_not_allowed'),
  model_not_found: badRequest('model_not_found'),
  payload_too_large: badRequest('payload_too_large'),
  context_length_exceeded: badRequest('context_length_exceeded'),
  unsupported_feature: badRequest('unsupported_feature'),
  rate_limited: overloaded('rate_limit_exceeded'),
  queue_full: overloaded('queue_full'),
  deadline_unreachable: overloaded('deadline_unreachable'),
  outside_window: overloaded('outside_window'),
  no_usable_model: serverError('no_usable_model'),
  model_unavailable: serverError('model_unavailable'),
  shutting_down: serverError('shutting_down'),
  start_failed: serverError('start_failed'),
  load_timeout: serverError('load_timeout'),
  runtime_missing: serverError('runtime_missing'),
  runtime_failed: serverError('runtime_failed'),
  runtime_rejected: badRequest(null),
  degenerate_output: serverError('degenerate_output'),
  cancelled: badRequest('request_cancelled'),
  timeout: serverError('timeout'),
  invalid_config: serverError('invalid_config'),
  model_file_missing: serverError('model_file_missing'),
  model_file_invalid: serverError('model_file_invalid'),
  data_directory_locked: serverError('data_directory_locked'),
  disk_full: serverError('disk_full'),
  store_failed: serverError('store_failed'),
  usage: badRequest(null),
};
