import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { GENERATION_HEADERS, MODEL_NAME, MODEL_PARAMETER, X_ROUTER } from './shared.ts';

const tag = 'OpenAI';
const errors = 'openai';

const MESSAGE = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
    .nullish()
    .describe('Text, or parts of text, images and audio; only an assistant may have none'),
});

/** Body of a chat completion: fields whose type is held; others are the engine's. */
export const CHAT_REQUEST = z.looseObject({
  model: MODEL_NAME.nullish(),
  messages: z.array(MESSAGE).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  max_tokens: z.union([z.int().positive(), z.literal(-1)]).nullish(),
  max_completion_tokens: z.union([z.int().positive(), z.literal(-1)]).nullish(),
  n: z.int().positive().nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().min(0).max(20).nullish(),
  tools: z
    .array(z.looseObject({ type: z.literal('function'), function: z.looseObject({ name: z.string() }) }))
    .nullish(),
  tool_choice: z.union([z.string(), z.looseObject({})]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
  reasoning_effort: z.string().nullish(),
  service_tier: z.string().nullish(),
  metadata: z.looseObject({ router_class: z.string().optional() }).nullish(),
  user: z.string().nullish(),
});

/** The smallest chat completion. */
export const CHAT_EXAMPLE = { model: 'auto', messages: [{ role: 'user', content: 'Who are you?' }] };

/** A whole chat completion. */
export const CHAT_REPLY = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.looseObject({
      index: z.number(),
      message: z.looseObject({ role: z.literal('assistant'), content: z.string().nullish() }),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() }),
  x_router: X_ROUTER,
});

/** OpenAI's object of a model, with what we know beside it. */
export const MODEL = z.looseObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.number(),
  owned_by: z.string(),
  aliases: z.array(z.string()).optional(),
  available: z.boolean().optional(),
  context_length: z.number().optional(),
});

/** What speaks OpenAI's language. */
export const OPENAI_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    tag,
    errors,
    summary: 'Answer a conversation',
    parameters: GENERATION_HEADERS,
    body: CHAT_REQUEST,
    example: CHAT_EXAMPLE,
    answer: { description: 'A whole completion, where `stream` is not true', schema: CHAT_REPLY },
    stream: {
      contentType: 'text/event-stream',
      description: 'Chunks as server-sent events; the last one before `[DONE]` carries `x_router`',
    },
  },
  {
    method: 'get',
    path: '/v1/models',
    tag,
    errors,
    summary: 'List the models, and `auto` beside them',
    answer: { description: 'Models', schema: z.looseObject({ object: z.literal('list'), data: z.array(MODEL) }) },
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    tag,
    errors,
    summary: 'One model',
    parameters: [MODEL_PARAMETER],
    answer: { description: 'The model', schema: MODEL },
  },
];
