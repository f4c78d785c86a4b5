import type { GatewayError } from '../../core/errors.ts';
import type { EncodedError } from '../codec.ts';
import { encodeError, type OpenAiError } from '../openai/encode-error.ts';

/** OpenAI's error object in the words of this endpoint, whose messages stand in `input`. */
export function responsesError(error: GatewayError): OpenAiError {
  const encoded = encodeError(error);
  if (encoded.error.param !== 'messages') return encoded;
  return { error: { ...encoded.error, param: 'input' } };
}

/** The same, as it goes on the wire. */
export const encodeResponsesError = (error: GatewayError): EncodedError => ({
  body: JSON.stringify(responsesError(error)),
});
