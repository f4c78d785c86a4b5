import type { GenerationCodec } from '../codec.ts';
import { encodeOpenAiError } from '../openai/encode-error.ts';
import { readJsonObject } from '../openai/read-json.ts';
import { readTextFacts } from '../openai/text-facts.ts';
import { decodeRerank } from './decode.ts';
import { createRerankWriter } from './encode-reply.ts';

/** Paths under which clients of Jina, Cohere and llama-server look for it. */
const PATHS = ['/v1/rerank', '/rerank', '/v1/reranking', '/reranking'];

/** `POST /v1/rerank` and its other names: how well documents answer a query, the best first. */
export const rerankCodecs: readonly GenerationCodec[] = PATHS.map((path) => ({
  path,
  decode: (bytes, header) => {
    const body = readJsonObject(bytes);
    const asked = decodeRerank(body);
    return {
      facts: readTextFacts({ wants: 'rerank', body, texts: withQuery(asked), header }),
      enginePath: '/v1/rerank',
      engineBody: (model) => JSON.stringify({ model, query: asked.query, documents: asked.documents }),
      chatBody: () => '',
      writer: () => createRerankWriter(asked),
    };
  },
  encodeError: encodeOpenAiError,
}));

/** The query is read once with every document. */
function withQuery({ query, documents }: ReturnType<typeof decodeRerank>): readonly string[] {
  return documents.flatMap((document) => [query, document]);
}
