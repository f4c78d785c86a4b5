import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { CHAT_EXAMPLE, CHAT_REQUEST } from './openai.ts';
import { RESPONSES_ENDPOINT } from './responses.ts';
import { GENERATION_HEADERS, MODEL_NAME, X_ROUTER } from './shared.ts';

const tag = 'OpenAI';
const errors = 'openai';

const USAGE = z.looseObject({ prompt_tokens: z.number(), total_tokens: z.number() });

const EMBEDDINGS: Endpoint = {
  method: 'post',
  path: '/v1/embeddings',
  tag,
  errors,
  summary: 'Vectors of texts',
  description:
    'Where the model is left open, always the first of the policy that computes embeddings: vectors of two models ' +
    'cannot be compared. `dimensions` is refused where it is not the length of the model’s own vectors.',
  parameters: GENERATION_HEADERS,
  body: z.looseObject({
    model: MODEL_NAME.nullish(),
    input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)]),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    dimensions: z.int().positive().nullish(),
  }),
  example: { model: 'auto', input: ['Who are you?'] },
  answer: {
    description: 'One vector for each text, in their order',
    schema: z.looseObject({
      object: z.literal('list'),
      model: z.string(),
      data: z.array(z.looseObject({ index: z.number(), embedding: z.union([z.array(z.number()), z.string()]) })),
      usage: USAGE,
      x_router: X_ROUTER,
    }),
  },
};

const rerank = (path: string): Endpoint => ({
  method: 'post',
  path,
  tag,
  errors,
  summary: 'How well documents answer a query, the best first',
  parameters: GENERATION_HEADERS,
  body: z.looseObject({
    model: MODEL_NAME.nullish(),
    query: z.string().min(1),
    documents: z
      .array(z.union([z.string().min(1), z.looseObject({ text: z.string().min(1) })]))
      .min(1)
      .max(1000),
    top_n: z.int().positive().nullish(),
    return_documents: z.boolean().nullish(),
  }),
  example: { model: 'auto', query: 'Who are you?', documents: ['I am the tiny tier.', 'No.'] },
  answer: {
    description: 'Scores; what they mean is the model’s own, only their order can be relied on',
    schema: z.looseObject({
      model: z.string(),
      results: z.array(z.looseObject({ index: z.number(), relevance_score: z.number() })),
      usage: USAGE,
      x_router: X_ROUTER,
    }),
  },
});

type Counted = Pick<Endpoint, 'path' | 'body' | 'example'>;

const inputTokens = ({ path, body, example }: Counted): Endpoint => ({
  method: 'post',
  path: `${path}/input_tokens`,
  tag,
  errors,
  summary: 'Count the tokens of a prompt without answering it',
  description: 'Exact where a child with the tokenizer is up; nothing is loaded for it. `x_router.exact` tells.',
  parameters: GENERATION_HEADERS,
  ...(body === undefined ? {} : { body }),
  example,
  answer: {
    description: 'The count',
    schema: z.looseObject({
      object: z.literal('response.input_tokens'),
      input_tokens: z.number(),
      x_router: z.looseObject({ exact: z.boolean(), basis: z.string() }),
    }),
  },
});

const tokenize = (path: string): Endpoint => ({
  method: 'post',
  path,
  tag,
  errors,
  summary: 'The tokens of a text',
  description:
    'By the model that is named, which is loaded where it is not; else by the first of the policy that is loaded. The ' +
    'text may also be named `text`, `prompt` or `input`.',
  body: z.looseObject({
    model: MODEL_NAME.nullish(),
    content: z.string(),
    add_special: z.boolean().nullish(),
    with_pieces: z.boolean().nullish(),
  }),
  example: { model: 'auto', content: 'Who are you?', with_pieces: true },
  answer: {
    description: 'Numbers, or `{id, piece}` where pieces were asked for',
    schema: z.looseObject({ model: z.string(), count: z.number(), tokens: z.array(z.unknown()) }),
  },
});

/** What is asked about texts without an answer in words. */
export const TEXT_ENDPOINTS: readonly Endpoint[] = [
  EMBEDDINGS,
  inputTokens({ path: '/v1/chat/completions', body: CHAT_REQUEST, example: CHAT_EXAMPLE }),
  inputTokens(RESPONSES_ENDPOINT),
  ...['/v1/tokenize', '/tokenize'].map(tokenize),
  ...['/v1/rerank', '/rerank', '/v1/reranking', '/reranking'].map(rerank),
];
