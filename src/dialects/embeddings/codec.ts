import type { GenerationCodec } from '../codec.ts';
import { encodeOpenAiError } from '../openai/encode-error.ts';
import { readJsonObject } from '../openai/read-json.ts';
import { readTextFacts } from '../openai/text-facts.ts';
import { decodeEmbeddings } from './decode.ts';
import { createEmbeddingsWriter } from './encode-reply.ts';

/** `POST /v1/embeddings` in OpenAI's words. Engines read the same; what they write is held to what was asked for. */
export const openAiEmbeddings: GenerationCodec = {
  path: '/v1/embeddings',
  decode: (bytes, header) => {
    const body = readJsonObject(bytes);
    const asked = decodeEmbeddings(body);
    return {
      facts: readTextFacts({ wants: 'embeddings', body, texts: asked.texts, header }),
      enginePath: '/v1/embeddings',
      engineBody: (model) =>
        JSON.stringify({ model, input: asked.texts, encoding_format: asked.isBase64 ? 'base64' : 'float' }),
      chatBody: () => '',
      writer: () => createEmbeddingsWriter(asked),
    };
  },
  encodeError: encodeOpenAiError,
};
