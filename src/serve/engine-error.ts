import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';

type EngineErrorBody = {
  readonly error?: {
    readonly message?: unknown;
    readonly type?: unknown;
    readonly n_prompt_tokens?: unknown;
    readonly n_ctx?: unknown;
  };
};

/**
 * Turns an engine's error reply into ours. llama-server writes `error.code` as a number and has types of its own;
 * its 4xx is the client's mistake and keeps its words, its 5xx is a failed run that another candidate may not have.
 */
export function readEngineError(status: number, bytes: Buffer, model: ModelId): GatewayError {
  const error = parse(bytes)?.error;
  const message = typeof error?.message === 'string' ? error.message : `${model} answered with status ${status}`;
  if (error?.type === 'exceed_context_size_error') {
    const figures = `${String(error.n_prompt_tokens)} prompt tokens, context length ${String(error.n_ctx)}`;
    return new GatewayError('context_length_exceeded', `the prompt does not fit ${model}: ${figures}`, {
      param: 'messages',
    });
  }
  // Said of an embedding's or a document's text, as an error of the server's.
  if (/too large to process/.test(message)) {
    return new GatewayError('context_length_exceeded', `a text does not fit ${model}: ${message}`, { param: 'input' });
  }
  if (status >= 500) return new GatewayError('runtime_failed', `${model} failed: ${message}`);
  return new GatewayError('runtime_rejected', message, { status });
}

/** Tokens of a prompt that an engine refused as longer than its context, by its own count; undefined for other errors. */
export function refusedPromptTokens(bytes: Buffer): number | undefined {
  const error = parse(bytes)?.error;
  if (error?.type !== 'exceed_context_size_error') return undefined;
  return typeof error.n_prompt_tokens === 'number' && error.n_prompt_tokens > 0 ? error.n_prompt_tokens : undefined;
}

function parse(bytes: Buffer): EngineErrorBody | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as EngineErrorBody) : undefined;
  } catch {
    // Not JSON: the status alone speaks.
    return undefined;
  }
}
