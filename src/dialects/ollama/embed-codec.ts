import { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import type { DecodedGeneration, GenerationCodec, ReplyContext, ReplyWriter } from '../codec.ts';
import { readTexts } from '../embeddings/decode.ts';
import { readFinal } from '../engine/final.ts';
import { readJsonObject } from '../openai/read-json.ts';
import { readTextFacts } from '../openai/text-facts.ts';
import { encodeOllamaError } from './encode-error.ts';
import { embedEnd } from './end-fields.ts';
import { type Check, type Fields, INTEGER, OBJECT, optional, TEXT } from './fields.ts';
import { readKeepAlive } from './keep-alive.ts';

/** `POST /api/embed`: vectors of one text or several, each of length 1. */
export const ollamaEmbed: GenerationCodec = {
  path: '/api/embed',
  decode: (bytes, header) => {
    const body = readJsonObject(bytes);
    return decodeEmbed(body, { input: body['input'], at: 'input', dimensions: dimensionsOf(body), header });
  },
  encodeError: encodeOllamaError,
};

/** `POST /api/embeddings`, which `/api/embed` replaced: the vector of one text. */
export const ollamaEmbeddings: GenerationCodec = {
  path: '/api/embeddings',
  decode: (bytes, header) => {
    const body = readJsonObject(bytes);
    const prompt = optional<string>(body, 'prompt', TEXT);
    return decodeEmbed(body, { input: prompt, at: 'prompt', dimensions: undefined, header });
  },
  encodeError: encodeOllamaError,
};

type Asked = {
  readonly input: unknown;
  /** The field the texts stand in, which also says which of the two endpoints it is. */
  readonly at: 'input' | 'prompt';
  readonly dimensions: number | undefined;
  readonly header: (name: string) => string | undefined;
};

const positive: Check = {
  test: (value) => INTEGER.test(value) && (value as number) > 0,
  expected: 'a positive integer',
};

// Zero is what clients written in Go send for nothing.
const dimensionsOf = (body: Fields): number | undefined =>
  body['dimensions'] === 0 ? undefined : optional<number>(body, 'dimensions', positive);

function decodeEmbed(body: Fields, { input, at, dimensions, header }: Asked): DecodedGeneration {
  const isEmpty = input === undefined || input === null || input === '' || (Array.isArray(input) && input.length === 0);
  const texts = isEmpty ? [] : readTexts(input, at);
  const options = optional<Fields>(body, 'options', OBJECT) ?? {};
  const keep = readKeepAlive(body);
  const model = optional<string>(body, 'model', TEXT) || 'auto';
  if (isEmpty && model === 'auto') {
    throw new GatewayError('invalid_request', `${at} is missing: give a text, or name a model to load`, { param: at });
  }
  const ignored = [
    // A text that is too long is refused, never cut.
    ...(body['truncate'] === true ? ['truncate'] : []),
    ...Object.keys(options).map((name) => `options.${name}`),
  ];
  return {
    facts: readTextFacts({ wants: 'embeddings', body: { model }, texts, header }),
    keep,
    residency: isEmpty ? (keep?.kind === 'never' ? 'unload' : 'load') : undefined,
    enginePath: '/v1/embeddings',
    engineBody: (id) => JSON.stringify({ model: id, input: texts, encoding_format: 'float' }),
    chatBody: () => '',
    writer: (context) => new VectorWriter(context, { isSingle: at === 'prompt', dimensions, ignored }),
  };
}

type Form = {
  readonly isSingle: boolean;
  readonly dimensions: number | undefined;
  readonly ignored: readonly string[];
};
type Vector = readonly number[];
type EngineVectors = {
  readonly data?: readonly { readonly embedding: Vector }[];
  readonly usage?: unknown;
  readonly x_router?: unknown;
};

class VectorWriter implements ReplyWriter {
  readonly contentType = 'application/json; charset=utf-8';
  readonly #context: ReplyContext;
  readonly #form: Form;
  #model: ModelId | undefined;

  constructor(context: ReplyContext, form: Form) {
    this.#context = context;
    this.#form = form;
  }

  heartbeat(): string {
    return ' ';
  }

  begin(model: ModelId): string {
    this.#model = model;
    return '';
  }

  events(): string {
    return '';
  }

  end(last: Buffer): string {
    // Nothing came from an engine where a model was only loaded.
    const reply: EngineVectors = last.length === 0 ? {} : JSON.parse(last.toString('utf8'));
    const vectors = (reply.data ?? []).map(({ embedding }) => embedding);
    this.#checkLength(vectors[0]);
    const elapsedMs = this.#context.nowMs() - this.#context.receivedAtMs;
    const { ignored, isSingle } = this.#form;
    const end = embedEnd(readFinal(reply), { elapsedMs, ignored });
    return JSON.stringify(
      isSingle
        ? { embedding: vectors[0] ?? [], ...end }
        : { model: this.#model, embeddings: vectors.map(unitLength), ...end },
    );
  }

  failed(error: GatewayError): string {
    return encodeOllamaError(error).body;
  }

  // Cut short, a vector keeps its meaning only in models that were trained for it, which nobody tells.
  #checkLength(vector: Vector | undefined): void {
    const { dimensions } = this.#form;
    if (dimensions === undefined || vector === undefined || vector.length === dimensions) return;
    const message = `the model's vectors have ${vector.length} numbers and cannot be had with ${dimensions}; leave dimensions out`;
    throw new GatewayError('unsupported_feature', message, { param: 'dimensions' });
  }
}

/** What rounding leaves of a vector that an engine has made unit length itself. */
const ROUNDING = 1e-3;

function unitLength(vector: Vector): Vector {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (length === 0 || Math.abs(length - 1) < ROUNDING) return vector;
  return vector.map((value) => value / length);
}
