import type { GatewayError } from '../../core/errors.ts';
import type { EncodedError } from '../codec.ts';

/** An error as Ollama's clients know it: one text. */
export const encodeOllamaError = (error: GatewayError): EncodedError => ({
  body: JSON.stringify({ error: error.message }),
});
