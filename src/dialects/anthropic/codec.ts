import type { GenerationCodec } from '../codec.ts';
import { engineBody } from '../engine/engine-body.ts';
import { decodeBody } from './decode.ts';
import { encodeAnthropicError } from './encode-error.ts';
import { createReplyWriter, type MessagesReply } from './encode-reply.ts';
import { createStreamWriter } from './encode-stream.ts';

/** `POST /v1/messages`: Anthropic's language, translated to a chat completion and back. */
export const anthropicMessages: GenerationCodec = {
  path: '/v1/messages',
  requestIdHeader: 'request-id',
  decode: (bytes, header) => {
    const { facts, chat, ignored, showsThinking, prefill } = decodeBody(bytes, header, 'generate');
    let bound: number | undefined;
    return {
      facts,
      enginePath: '/v1/chat/completions',
      chatBody: () => JSON.stringify(chat),
      engineBody: (model, maxTokens) => {
        bound = maxTokens ?? facts.maxTokens;
        return engineBody(chat, model, maxTokens);
      },
      writer: (context) => {
        const reply: MessagesReply = { context, ignored, showsThinking, prefill, maxTokens: () => bound };
        return facts.stream ? createStreamWriter(reply) : createReplyWriter(reply);
      },
    };
  },
  encodeError: encodeAnthropicError,
};
