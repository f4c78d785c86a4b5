import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { GENERATION_HEADERS, MODEL_NAME, X_ROUTER } from './shared.ts';

const tag = 'Anthropic';
const errors = 'anthropic';

const BLOCK = z.looseObject({ type: z.enum(['text', 'image', 'tool_use', 'tool_result', 'thinking']) });
const TEXT_BLOCK = z.looseObject({ type: z.literal('text'), text: z.string() });

/** What a request and the count of its tokens have in common. */
const PROMPT = z.looseObject({
  model: MODEL_NAME.nullish(),
  messages: z
    .array(
      z.looseObject({
        role: z.enum(['user', 'assistant', 'system']),
        content: z.union([z.string(), z.array(BLOCK)]),
      }),
    )
    .min(1),
  system: z.union([z.string(), z.array(TEXT_BLOCK)]).nullish(),
  tools: z
    .array(z.looseObject({ name: z.string().min(1), input_schema: z.looseObject({}) }))
    .nullish()
    .describe("The client's own tools; Anthropic's server tools are refused"),
  tool_choice: z
    .looseObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().optional(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
  thinking: z
    .looseObject({
      type: z.enum(['enabled', 'disabled', 'adaptive', 'between_tools']),
      budget_tokens: z.int().positive().optional(),
    })
    .nullish(),
  output_config: z
    .looseObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z.looseObject({ type: z.literal('json_schema'), schema: z.looseObject({}) }).nullish(),
    })
    .nullish(),
});

const REQUEST = PROMPT.extend({
  max_tokens: z.int().positive(),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  metadata: z.looseObject({ router_class: z.string().optional() }).nullish(),
});

const MESSAGE = z.looseObject({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(BLOCK),
  stop_reason: z.enum([
    'end_turn',
    'stop_sequence',
    'max_tokens',
    'tool_use',
    'refusal',
    'model_context_window_exceeded',
  ]),
  stop_sequence: z.string().nullable(),
  usage: z.looseObject({ input_tokens: z.number(), cache_read_input_tokens: z.number(), output_tokens: z.number() }),
  x_router: X_ROUTER,
});

const messages = [{ role: 'user', content: 'Who are you?' }];

/** What speaks Anthropic's language. */
export const ANTHROPIC_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/v1/messages',
    tag,
    errors,
    summary: 'Answer a conversation',
    parameters: GENERATION_HEADERS,
    body: REQUEST,
    example: { model: 'auto', max_tokens: 64, messages },
    answer: { description: 'A whole message, where `stream` is not true', schema: MESSAGE },
    stream: {
      contentType: 'text/event-stream',
      description: 'Named server-sent events; `message_delta` carries the true usage and `x_router`',
    },
  },
  {
    method: 'post',
    path: '/v1/messages/count_tokens',
    tag,
    errors,
    summary: 'Count the tokens of a conversation',
    body: PROMPT,
    example: { model: 'auto', messages },
    answer: {
      description: 'The count; `x_router.estimated` is true where no running model has the tokenizer',
      schema: z.looseObject({
        input_tokens: z.number(),
        x_router: z.looseObject({ model: z.string(), basis: z.string(), estimated: z.boolean() }),
      }),
    },
  },
];
