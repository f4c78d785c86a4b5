import type { GenerationCodec, ReplyWriter } from '../codec.ts';
import { decodeChat } from './decode.ts';
import { encodeOpenAiError } from './encode-error.ts';
import { WHOLE_REPLY } from './encode-reply.ts';
import { createTellingStream, STREAM } from './encode-stream.ts';
import { rewriteChat } from './rewrite-chat.ts';

/** `POST /v1/chat/completions`: the engines' own language, so that bytes pass through both ways. */
export const openAiChat: GenerationCodec = {
  path: '/v1/chat/completions',
  decode: (bytes, header) => {
    const decoded = decodeChat(bytes, header);
    return {
      facts: decoded.facts,
      enginePath: '/v1/chat/completions',
      chatBody: () => bytes,
      engineBody: (model, maxTokens) => rewriteChat(decoded, model, maxTokens),
      writer: (context): ReplyWriter => {
        if (!decoded.facts.stream) return WHOLE_REPLY;
        return decoded.facts.wantsProgress === true ? createTellingStream(context) : STREAM;
      },
    };
  },
  encodeError: encodeOpenAiError,
};
