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
  const { chat, ignored, keep, residency, raw } = decoded;
  const facts = readChatFacts(chat, header);
  const asked = raw === undefined ? chat : completionOf(chat, raw);
  return {
    facts: raw === undefined ? facts : { ...facts, rawPrompt: true },
    keep,
    residency,
    enginePath: raw === undefined ? '/v1/chat/completions' : '/v1/completions',
    chatBody: () => JSON.stringify(chat),
    engineBody: (model, maxTokens) => engineBody(asked, model, maxTokens),
    writer: (context) => {
      if (residency !== undefined) return residencyWriter(form, { reason: residency, stream: facts.stream }, context);
      return facts.stream ? new OllamaStream(form, context, ignored) : new OllamaReply(form, context, ignored);
    },
  };
}

/** The same request as a completion of a raw prompt, whose fields differ in some names. */
function completionOf(chat: DecodedOllama['chat'], prompt: string): Readonly<Record<string, unknown>> {
  const {
    messages: _,
    chat_template_kwargs: __,
    reasoning_effort: ___,
    response_format: format,
    logprobs,
    top_logprobs: top,
    ...shared
  } = chat;
  return {
    ...shared,
    prompt,
    // An empty schema is any JSON.
    ...(format !== undefined && { json_schema: (format as ResponseFormat).json_schema?.schema ?? {} }),
    ...(logprobs === true && { logprobs: Math.max(1, Number(top ?? 1)) }),
  };
}

type ResponseFormat = { readonly json_schema?: { readonly schema?: unknown } };
