import { GatewayError } from '../../core/errors.ts';
import type { ReplyWriter } from '../codec.ts';
import { WHOLE_REPLY } from '../openai/encode-reply.ts';
import type { EmbeddingsRequest } from './decode.ts';

const AS_NUMBERS = Buffer.from('"embedding":[');
const AS_TEXT = Buffer.from('"embedding":"');
const BYTES_PER_NUMBER = 4;

type Row = { readonly embedding: readonly number[] };

/**
 * Passes an engine's embeddings through where they came as asked, and writes them anew where the runtime gives lists of
 * numbers only and base64 was asked for. Throws `unsupported_feature` where the vectors have another length than
 * `dimensions`: cutting one short keeps its meaning only in models that were trained for it, which nobody tells.
 */
export function createEmbeddingsWriter({ isBase64, dimensions }: EmbeddingsRequest): ReplyWriter {
  return {
    ...WHOLE_REPLY,
    end: (last) => {
      checkDimensions(last, dimensions);
      return isBase64 && last.includes(AS_NUMBERS) ? inBase64(last) : last;
    },
  };
}

function checkDimensions(reply: Buffer, wanted: number | undefined): void {
  const length = wanted === undefined ? undefined : firstLength(reply);
  if (length === undefined || length === wanted) return;
  const message = `the model's vectors have ${length} numbers and cannot be had with ${wanted}; leave dimensions out`;
  throw new GatewayError('unsupported_feature', message, { param: 'dimensions' });
}

// Of the first vector alone: a reply may hold thousands, and all are of one model.
function firstLength(reply: Buffer): number | undefined {
  const numbers = reply.indexOf(AS_NUMBERS);
  if (numbers !== -1) {
    const start = numbers + AS_NUMBERS.length;
    return reply.toString('latin1', start, reply.indexOf(']', start)).split(',').length;
  }
  const text = reply.indexOf(AS_TEXT);
  if (text === -1) return undefined;
  const start = text + AS_TEXT.length;
  const bytes = Buffer.from(reply.toString('latin1', start, reply.indexOf('"', start)), 'base64');
  return bytes.length / BYTES_PER_NUMBER;
}

function inBase64(reply: Buffer): string {
  const whole = JSON.parse(reply.toString('utf8')) as { readonly data: readonly Row[] };
  const data = whole.data.map((row) => ({ ...row, embedding: encodeVector(row.embedding) }));
  return JSON.stringify({ ...whole, data });
}

/** A vector as OpenAI's clients read it out of base64: little-endian 32-bit floats. */
function encodeVector(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * BYTES_PER_NUMBER);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * BYTES_PER_NUMBER);
  });
  return bytes.toString('base64');
}
