import type { GenerationCodec, ReplyWriter } from '../codec.ts';
import { rewriteChat } from '../openai/rewrite-chat.ts';
import { decodeCompletion } from './decode.ts';
import { encodeCompletionError } from './encode-error.ts';
import { WHOLE_COMPLETION } from './encode-reply.ts';
import { COMPLETION_STREAM, createTellingCompletion } from './encode-stream.ts';

/**
 * `POST /v1/completions`: a raw prompt, past any chat template. llama-server speaks it, so bytes pass through both ways;
 * a runtime that only knows conversations is not chosen.
 */
export const openAiCompletions: GenerationCodec = {
  path: '/v1/completions',
  decode: (bytes, header) => {
    const decoded = decodeCompletion(bytes, header);
    return {
      facts: decoded.facts,
      enginePath: '/v1/completions',
      // Some tokens of the template too many, which is the safe side.
      chatBody: () => JSON.stringify({ messages: [{ role: 'user', content: decoded.text }] }),
      engineBody: (model, maxTokens) => rewriteChat(decoded, model, maxTokens),
      writer: (context): ReplyWriter => {
        if (!decoded.facts.stream) return WHOLE_COMPLETION;
        return decoded.facts.wantsProgress === true ? createTellingCompletion(context) : COMPLETION_STREAM;
      },
    };
  },
  encodeError: encodeCompletionError,
};
