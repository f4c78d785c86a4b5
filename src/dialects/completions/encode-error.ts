import type { GatewayError } from '../../core/errors.ts';
import type { EncodedError } from '../codec.ts';
import { encodeError, type OpenAiError } from '../openai/encode-error.ts';

/** OpenAI's error object in the words of this endpoint, which has a prompt in place of messages. */
export function completionError(error: GatewayError): OpenAiError {
  const encoded = encodeError(error);
  if (encoded.error.param !== 'messages') return encoded;
  return { error: { ...encoded.error, param: 'prompt' } };
}

/** The same, as it goes on the wire. */
export const encodeCompletionError = (error: GatewayError): EncodedError => ({
  body: JSON.stringify(completionError(error)),
});
