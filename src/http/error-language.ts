import { encodeAnthropicError } from '../dialects/anthropic/encode-error.ts';
import type { EncodeError } from '../dialects/codec.ts';
import { encodeOllamaError } from '../dialects/ollama/encode-error.ts';
import { encodeOpenAiError } from '../dialects/openai/encode-error.ts';
import { ANTHROPIC_VERSION } from './anthropic-routes.ts';

/** Beginnings of paths whose clients speak another language than OpenAI's; the longest that fits decides. */
const LANGUAGES: readonly { readonly prefix: string; readonly encode: EncodeError }[] = [
  { prefix: '/v1/messages', encode: encodeAnthropicError },
  { prefix: '/api/', encode: encodeOllamaError },
];

/** Headers by lower-case name. */
type Headers = Readonly<Record<string, string | undefined>>;

/**
 * How an error is written for whoever asked for a path, whether or not there is such an endpoint. At paths two languages
 * share, Anthropic's clients are known by a header of theirs.
 */
export function errorLanguage(path: string, headers: Headers = {}): EncodeError {
  if (headers[ANTHROPIC_VERSION] !== undefined) return encodeAnthropicError;
  return LANGUAGES.find(({ prefix }) => path.startsWith(prefix))?.encode ?? encodeOpenAiError;
}
