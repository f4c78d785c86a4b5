import type { RequestFacts } from '../../core/request.ts';
import { readChatFacts } from './chat-facts.ts';

/** A request about texts, not for an answer in words. */
export type TextRequest = {
  readonly wants: 'embeddings' | 'rerank';
  /** The body as it came; `model` and `metadata` are read from it. */
  readonly body: Readonly<Record<string, unknown>>;
  /** All that the engine will read. */
  readonly texts: readonly string[];
  readonly header: (name: string) => string | undefined;
};

/**
 * What routing needs to know of a request for vectors or scores: who is asked for, in which class, and how much has to be
 * read. Throws `invalid_request` where model, metadata or a header is not what it must be.
 */
export function readTextFacts({ wants, body, texts, header }: TextRequest): RequestFacts {
  const { model = null, metadata = null } = body;
  const facts = readChatFacts({ model, metadata, messages: [{ role: 'user', content: '' }] }, header);
  return {
    ...facts,
    wants,
    promptChars: texts.reduce((chars, text) => chars + text.length, 0),
    messageCount: texts.length,
    // Texts of this kind leave nothing in a cache that another request could use.
    prefix: undefined,
    // Nothing is generated; one token is the least that a prediction knows.
    maxTokens: 1,
  };
}
