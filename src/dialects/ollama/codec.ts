import type { DecodedGeneration, GenerationCodec } from '../codec.ts';
import { engineBody } from '../engine/engine-body.ts';
import { readChatFacts } from '../openai/chat-facts.ts';
import type { Form } from './chunk.ts';
import { type DecodedOllama, decodeOllamaChat, decodeOllamaGenerate } from './decode.ts';
import { encodeOllamaError } from './encode-error.ts';
import { OllamaReply, residencyWriter } from './encode-reply.ts';
import { OllamaStream } from './encode-stream.ts';

/** `POST /api/chat`. */
export const ollamaChat: GenerationCodec = {
  path: '/api/chat',
  decode: (bytes, header) => generationOf('chat', decodeOllamaChat(bytes), header),
  encodeError: encodeOllamaError,
};

/** `POST /api/generate`: a single prompt. */
export const ollamaGenerate: GenerationCodec = {
  path: '/api/generate',
  decode: (bytes, header) => generationOf('generate', decodeOllamaGenerate(bytes), header),
  encodeError: encodeOllamaError,
};

function generationOf(
  form: Form,
  decoded: DecodedOllama,
  header: (name: string) => string | undefined,
): DecodedGeneration {
  const { chat, ignored, keep, residency } = decoded;
  const facts = readChatFacts(chat, header);
  return {
    facts,
    keep,
    residency,
    enginePath: '/v1/chat/completions',
    chatBody: () => JSON.stringify(chat),
    engineBody: (model, maxTokens) => engineBody(chat, model, maxTokens),
    writer: (context) => {
      if (residency !== undefined) return residencyWriter(form, { reason: residency, stream: facts.stream }, context);
      return facts.stream ? new OllamaStream(form, context, ignored) : new OllamaReply(form, context, ignored);
    },
  };
}
