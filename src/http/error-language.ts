import { encodeAnthropicError } from '../dialects/anthropic/encode-error.ts';
import type { EncodeError } from '../dialects/codec.ts';
import { encodeOpenAiError } from '../dialects/openai/encode-error.ts';

/** Beginnings of paths whose clients speak another language than OpenAI's; the longest that fits decides. */
const LANGUAGES: readonly { readonly prefix: string; readonly encode: EncodeError }[] = [
  { prefix: '/v1/messages', encode: encodeAnthropicError },
];

/** How an error is written for whoever asked for a path, whether or not there is such an endpoint. */
export function errorLanguage(path: string): EncodeError {
  return LANGUAGES.find(({ prefix }) => path.startsWith(prefix))?.encode ?? encodeOpenAiError;
}
