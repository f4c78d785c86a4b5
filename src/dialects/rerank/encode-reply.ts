import type { ReplyWriter } from '../codec.ts';
import { WHOLE_REPLY } from '../openai/encode-reply.ts';
import type { RerankRequest } from './decode.ts';

type Scored = { readonly index: number; readonly relevance_score: number };

/**
 * Writes an engine's scores with the best first, as Jina's and Cohere's clients expect; equal scores keep the order of
 * the documents. Not every engine sorts, and none repeats the documents.
 */
export function createRerankWriter({ documents, topCount, withDocuments }: RerankRequest): ReplyWriter {
  return {
    ...WHOLE_REPLY,
    end: (last) => {
      const reply = JSON.parse(last.toString('utf8')) as { readonly results: readonly Scored[] };
      const best = reply.results
        .toSorted((one, other) => other.relevance_score - one.relevance_score || one.index - other.index)
        .slice(0, topCount);
      const results = best.map((scored) =>
        withDocuments ? { ...scored, document: { text: documents[scored.index] } } : scored,
      );
      return JSON.stringify({ ...reply, results });
    },
  };
}
