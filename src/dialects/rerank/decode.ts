import { GatewayError } from '../../core/errors.ts';

/** What a request for scores asks. */
export type RerankRequest = {
  readonly query: string;
  readonly documents: readonly string[];
  /** So many of the best are returned; undefined = all. */
  readonly topCount: number | undefined;
  /** Repeats each document's text beside its score. */
  readonly withDocuments: boolean;
};

/** More would keep a lane for minutes on a board; clients split longer lists. */
const DOCUMENTS_MAX = 1000;

/**
 * Reads the body of `POST /v1/rerank`: `query`, `documents` (texts, or objects with `text`), `top_n`, `return_documents`.
 * Throws `invalid_request` naming the field.
 */
export function decodeRerank(body: Readonly<Record<string, unknown>>): RerankRequest {
  const { query, documents, top_n: topCount, return_documents: withDocuments } = body;
  if (typeof query !== 'string' || query === '') throw invalid('query must be a text that is not empty', 'query');
  if (!Array.isArray(documents) || documents.length === 0) {
    throw invalid('documents must be a list with at least one text', 'documents');
  }
  if (documents.length > DOCUMENTS_MAX) {
    throw invalid(
      `documents has ${documents.length} entries; at most ${DOCUMENTS_MAX} go into one request`,
      'documents',
    );
  }
  if (isGiven(topCount) && !(Number.isInteger(topCount) && Number(topCount) > 0)) {
    throw invalid('top_n must be a positive integer', 'top_n');
  }
  if (isGiven(withDocuments) && typeof withDocuments !== 'boolean') {
    throw invalid('return_documents must be true or false', 'return_documents');
  }
  return {
    query,
    documents: documents.map(readDocument),
    topCount: typeof topCount === 'number' ? topCount : undefined,
    withDocuments: withDocuments === true,
  };
}

function readDocument(document: unknown, index: number): string {
  const text = typeof document === 'object' && document !== null ? (document as { text?: unknown }).text : document;
  if (typeof text === 'string' && text !== '') return text;
  const at = `documents[${index}]`;
  throw invalid(`${at} must be a text that is not empty, or an object with one as "text"`, at);
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;
const invalid = (message: string, param: string) => new GatewayError('invalid_request', message, { param });
