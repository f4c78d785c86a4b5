/**
 * Every way a request or a start-up can fail that we know of. `http/` maps a code to a status and each dialect's
 * envelope in one place; anything thrown that is not a GatewayError is a bug and answers 500.
 */
export type ErrorCode =
  // the client's mistake
  | 'invalid_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'model_not_found'
  | 'payload_too_large'
  | 'context_length_exceeded'
  | 'unsupported_feature'
  // cannot serve now
  | 'rate_limited'
  | 'queue_full'
  | 'deadline_unreachable'
  | 'outside_window'
  | 'no_usable_model'
  | 'model_unavailable'
  | 'shutting_down'
  // the child's failure
  | 'start_failed'
  | 'load_timeout'
  | 'runtime_failed'
  | 'runtime_rejected'
  | 'degenerate_output'
  // neither side's
  | 'cancelled'
  | 'timeout'
  // the operator's mistake
  | 'invalid_config'
  | 'model_file_missing'
  | 'model_file_invalid'
  | 'runtime_missing'
  | 'data_directory_locked'
  | 'disk_full'
  | 'store_failed'
  | 'usage';

/** What an error carries beside its message; all optional. */
export type ErrorDetails = {
  readonly cause?: unknown;
  /** Request field at fault, e.g. `messages[2].role`. */
  readonly param?: string;
  /** When trying again makes sense, ms from now; becomes `retry-after`. */
  readonly retryAfterMs?: number;
  /** False where a retry can only fail again; becomes `x-should-retry: false`. */
  readonly shouldRetry?: boolean;
  /** HTTP status to use in place of the code's own, e.g. a child's 4xx that we pass on. */
  readonly status?: number;
  /** Wire `type`/`code` to use in place of the code's own, when a child gave a better one. */
  readonly wire?: { readonly type?: string; readonly code?: string | null };
};

/**
 * The one error class: `code` from a closed list, `message` = what failed, with which value, and what to do.
 * Subclassing is not needed; `details` is what `http/` reads.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.details = details;
  }
}

/** The message of anything thrown, for logs and for messages that quote a cause. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
