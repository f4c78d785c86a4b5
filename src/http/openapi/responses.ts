import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { GENERATION_HEADERS, MODEL_NAME, X_ROUTER } from './shared.ts';

const ITEM = z.looseObject({ type: z.string().optional() });

const RESPONSES_REQUEST = z.looseObject({
  model: MODEL_NAME.nullish(),
  input: z.union([z.string(), z.array(ITEM)]).nullish(),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  max_output_tokens: z.int().positive().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  text: z
    .looseObject({ format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish() })
    .nullish(),
  include: z.array(z.unknown()).nullish(),
  metadata: z.looseObject({ router_class: z.string().optional() }).nullish(),
  store: z.boolean().nullish().describe('Nothing is stored; every response says `store: false`'),
});

/** A whole Response object. */
const RESPONSE = z.looseObject({
  id: z.string().startsWith('resp_'),
  object: z.literal('response'),
  created_at: z.number(),
  status: z.enum(['completed', 'incomplete']),
  error: z.null(),
  incomplete_details: z.looseObject({ reason: z.string() }).nullable(),
  model: z.string(),
  output: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  store: z.literal(false),
  usage: z.looseObject({ input_tokens: z.number(), output_tokens: z.number(), total_tokens: z.number() }).nullable(),
  x_router: X_ROUTER,
});

/** OpenAI's Responses, stateless. */
export const RESPONSES_ENDPOINT: Endpoint = {
  method: 'post',
  path: '/v1/responses',
  tag: 'OpenAI',
  errors: 'openai',
  summary: 'Answer a conversation, as a Response object',
  description:
    'Stateless: `previous_response_id`, `conversation`, `background: true` and stored prompts are refused, because ' +
    'nothing is stored. Tools of type function, custom and namespace can be called; `x_router.ignored` names what was ' +
    'not honoured.',
  parameters: GENERATION_HEADERS,
  body: RESPONSES_REQUEST,
  example: { model: 'auto', input: 'Who are you?' },
  answer: { description: 'A whole response, where `stream` is not true', schema: RESPONSE },
  stream: {
    contentType: 'text/event-stream',
    description: 'Events from `response.created` to `response.completed`, each with a `sequence_number`; no `[DONE]`',
  },
};
