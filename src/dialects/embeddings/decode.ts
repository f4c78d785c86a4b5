import { GatewayError } from '../../core/errors.ts';

/** What a request for embeddings asks. */
export type EmbeddingsRequest = {
  readonly texts: readonly string[];
  /** Little-endian 32-bit floats in base64 in place of lists of numbers; a fifth of the bytes. */
  readonly isBase64: boolean;
  /** Length the client expects of a vector; undefined = whatever the model has. */
  readonly dimensions: number | undefined;
};

/** OpenAI's own bound on the texts of one request. */
const TEXTS_MAX = 2048;

/**
 * Reads the body of `POST /v1/embeddings`. Throws `invalid_request` naming the field; token ids in place of text are
 * refused because they belong to one tokenizer, which is rarely the model's.
 */
export function decodeEmbeddings(body: Readonly<Record<string, unknown>>): EmbeddingsRequest {
  const { encoding_format: format, dimensions } = body;
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64') {
    throw invalid(`encoding_format must be "float" or "base64", not ${shown(format)}`, 'encoding_format');
  }
  if (dimensions !== undefined && dimensions !== null && !(Number.isInteger(dimensions) && Number(dimensions) > 0)) {
    throw invalid(`dimensions must be a positive integer, not ${shown(dimensions)}`, 'dimensions');
  }
  return {
    texts: readTexts(body['input'], 'input'),
    isBase64: format === 'base64',
    dimensions: typeof dimensions === 'number' ? dimensions : undefined,
  };
}

/** One text or a list of up to 2048, none of them empty. Throws `invalid_request` naming the one at fault. */
export function readTexts(value: unknown, param: string): readonly string[] {
  if (value === undefined || value === null) throw invalid(`${param} is missing: a text or a list of texts`, param);
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0) throw invalid(`${param} is an empty list; give at least one text`, param);
  if (texts.length > TEXTS_MAX) {
    throw invalid(`${param} has ${texts.length} texts; at most ${TEXTS_MAX} go into one request`, param);
  }
  texts.forEach((text, index) => {
    const at = Array.isArray(value) ? `${param}[${index}]` : param;
    if (typeof text === 'number' || Array.isArray(text)) {
      throw invalid(`${at} is token ids, which mean something to one tokenizer only; send the text itself`, at);
    }
    if (typeof text !== 'string') throw invalid(`${at} must be a text, not ${shown(text)}`, at);
    if (text === '') throw invalid(`${at} is an empty text, which has no meaning to embed`, at);
  });
  return texts as string[];
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? typeof value).slice(0, 80);
const invalid = (message: string, param: string) => new GatewayError('invalid_request', message, { param });
