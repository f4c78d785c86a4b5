import type { GenerationCodec } from '../codec.ts';
import { engineBody } from '../engine/engine-body.ts';
import { decodeResponses } from './decode.ts';
import { encodeResponsesError } from './encode-error.ts';
import { wholeWriter } from './encode-reply.ts';
import { createStreamWriter } from './encode-stream.ts';

/** `POST /v1/responses`, stateless: every request carries its whole conversation, and nothing is kept of the answer. */
export const openAiResponses: GenerationCodec = {
  path: '/v1/responses',
  decode: (bytes, header) => {
    const decoded = decodeResponses(bytes, header);
    return {
      facts: decoded.facts,
      enginePath: '/v1/chat/completions',
      chatBody: () => JSON.stringify(decoded.chat),
      engineBody: (model, maxTokens) => engineBody(decoded.chat, model, maxTokens),
      writer: (context) =>
        decoded.facts.stream ? createStreamWriter(decoded, context) : wholeWriter(decoded, context),
    };
  },
  encodeError: encodeResponsesError,
};
