import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
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

/** What is asked about texts without an answer in words. */
export const TEXT_ENDPOINTS: readonly Endpoint[] = [
  EMBEDDINGS,
  ...['/v1/rerank', '/rerank', '/v1/reranking', '/reranking'].map(rerank),
];
