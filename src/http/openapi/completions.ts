import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { GENERATION_HEADERS, MODEL_NAME, X_ROUTER } from './shared.ts';

const TOKENS = z.array(z.int().nonnegative()).min(1);

/** OpenAI's older completions, of a raw prompt. */
export const COMPLETIONS_ENDPOINT: Endpoint = {
  method: 'post',
  path: '/v1/completions',
  tag: 'OpenAI',
  errors: 'openai',
  summary: 'Go on with a raw prompt',
  description:
    'The prompt goes to the model as it is, past its chat template, so only runtimes that take raw prompts are chosen. ' +
    '`echo`, `suffix`, and `n` or `best_of` above 1 are refused.',
  parameters: GENERATION_HEADERS,
  body: z.looseObject({
    model: MODEL_NAME.nullish(),
    prompt: z.union([z.string(), z.array(z.string()).min(1), TOKENS, z.array(TOKENS).min(1)]),
    stream: z.boolean().nullish(),
    max_tokens: z.union([z.int().positive(), z.literal(-1)]).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    logprobs: z.int().nonnegative().nullish(),
    stop: z.union([z.string(), z.array(z.string())]).nullish(),
    seed: z.int().nullish(),
  }),
  example: { model: 'auto', prompt: 'Who are you?', max_tokens: 32 },
  answer: {
    description: 'A whole completion, where `stream` is not true',
    schema: z.looseObject({
      id: z.string(),
      object: z.literal('text_completion'),
      created: z.number(),
      model: z.string(),
      choices: z.array(z.looseObject({ index: z.number(), text: z.string(), finish_reason: z.string().nullable() })),
      usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() }),
      x_router: X_ROUTER,
    }),
  },
  stream: {
    contentType: 'text/event-stream',
    description: 'Chunks as server-sent events; the last one before `[DONE]` carries `x_router`',
  },
};
