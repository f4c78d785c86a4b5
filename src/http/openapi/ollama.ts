import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { GENERATION_HEADERS, MODEL_NAME, X_ROUTER } from './shared.ts';

const tag = 'Ollama';
const errors = 'ollama';

const KEEP_ALIVE = z
  .union([z.number(), z.string()])
  .describe('Seconds or a duration such as `5m`; negative keeps the model, 0 unloads it after its use');
const COMMON = {
  model: MODEL_NAME.nullish(),
  stream: z.boolean().nullish().describe('Absent = true'),
  format: z
    .union([z.literal('json'), z.literal(''), z.looseObject({})])
    .nullish()
    .describe('`json` or a JSON schema'),
  options: z
    .looseObject({})
    .nullish()
    .describe('Sampling, `num_predict`, `stop`; others are named in `x_router.ignored`'),
  keep_alive: KEEP_ALIVE.nullish(),
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high', 'max', ''])]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().min(0).max(20).nullish(),
};
const MESSAGE = z.looseObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  images: z.array(z.string()).nullish().describe('Base64'),
  tool_calls: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).nullish(),
  tool_name: z.string().nullish(),
});
const CHAT = z.looseObject({
  ...COMMON,
  messages: z.array(MESSAGE).nullish().describe('Empty: the model is loaded, or unloaded by `keep_alive: 0`'),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
});
const GENERATE = z.looseObject({
  ...COMMON,
  prompt: z.string().nullish().describe('Empty: the model is loaded, or unloaded by `keep_alive: 0`'),
  system: z.string().nullish(),
  raw: z.boolean().nullish().describe('Past the chat template'),
  images: z.array(z.string()).nullish().describe('Base64'),
});
const ENDING = {
  model: z.string(),
  created_at: z.string(),
  done: z.literal(true),
  done_reason: z.enum(['stop', 'length', 'load', 'unload']),
  total_duration: z.number().optional().describe('ns, as all durations'),
  load_duration: z.number().optional(),
  prompt_eval_count: z.number().optional(),
  prompt_eval_duration: z.number().optional(),
  eval_count: z.number().optional(),
  eval_duration: z.number().optional(),
  x_router: X_ROUTER.optional(),
};
const EMBED_END = {
  total_duration: z.number(),
  load_duration: z.number(),
  prompt_eval_count: z.number().optional(),
  x_router: X_ROUTER.optional(),
};
const ANSWER = z.looseObject({ role: z.literal('assistant'), content: z.string(), thinking: z.string().optional() });
const DETAILS = z.looseObject({
  format: z.string(),
  family: z.string(),
  parameter_size: z.string(),
  quantization_level: z.string(),
  context_length: z.number(),
});
const LISTED = z.looseObject({
  name: z.string(),
  model: z.string(),
  size: z.number(),
  digest: z.string(),
  details: DETAILS,
});
const SHOW = z.looseObject({ model: z.string().optional(), name: z.string().optional() });

const NDJSON = {
  contentType: 'application/x-ndjson',
  description: 'Chunks, one JSON object a line; the last one has `done: true`, counts, durations and `x_router`',
};

/** What speaks Ollama's language. */
export const OLLAMA_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/',
    tag,
    // A request there that cannot be read could be anybody's.
    errors: 'openai',
    summary: 'Whether the server is there; the dashboard for browsers, which ask for `text/html`',
    isPublic: true,
    answer: { description: '`Ollama is running`', contentType: 'text/plain' },
  },
  {
    method: 'post',
    path: '/api/chat',
    tag,
    errors,
    summary: 'Answer a conversation, or load or unload a model',
    parameters: GENERATION_HEADERS,
    body: CHAT,
    example: { model: 'auto', messages: [{ role: 'user', content: 'Who are you?' }], stream: false },
    answer: {
      description: 'A whole answer, where `stream` is false',
      schema: z.looseObject({ ...ENDING, message: ANSWER }),
    },
    stream: NDJSON,
  },
  {
    method: 'post',
    path: '/api/generate',
    tag,
    errors,
    summary: 'Answer one prompt, or load or unload a model',
    description: '`suffix`, `template` and `context` are refused.',
    parameters: GENERATION_HEADERS,
    body: GENERATE,
    example: { model: 'auto', prompt: 'Who are you?', stream: false },
    answer: {
      description: 'A whole answer, where `stream` is false',
      schema: z.looseObject({ ...ENDING, response: z.string(), thinking: z.string().optional() }),
    },
    stream: NDJSON,
  },
  {
    method: 'post',
    path: '/api/embed',
    tag,
    errors,
    summary: 'Vectors of texts, each of length 1',
    parameters: GENERATION_HEADERS,
    body: z.looseObject({
      model: MODEL_NAME.nullish(),
      input: z
        .union([z.string(), z.array(z.string())])
        .nullish()
        .describe('Empty: the model is loaded or unloaded'),
      dimensions: z.int().nonnegative().nullish(),
      truncate: z.boolean().nullish(),
      options: z.looseObject({}).nullish(),
      keep_alive: KEEP_ALIVE.nullish(),
    }),
    example: { model: 'auto', input: ['Who are you?'] },
    answer: {
      description: 'One vector for each text, in their order',
      schema: z.looseObject({ model: z.string(), embeddings: z.array(z.array(z.number())), ...EMBED_END }),
    },
  },
  {
    method: 'post',
    path: '/api/embeddings',
    tag,
    errors,
    summary: 'The vector of one text; `/api/embed` takes several',
    parameters: GENERATION_HEADERS,
    body: z.looseObject({
      model: MODEL_NAME.nullish(),
      prompt: z.string().nullish().describe('Empty: the model is loaded or unloaded'),
      options: z.looseObject({}).nullish(),
      keep_alive: KEEP_ALIVE.nullish(),
    }),
    example: { model: 'auto', prompt: 'Who are you?' },
    answer: {
      description: 'The vector, as the model has it',
      schema: z.looseObject({ embedding: z.array(z.number()), ...EMBED_END }),
    },
  },
  {
    method: 'get',
    path: '/api/tags',
    tag,
    errors,
    summary: 'List the models that can be asked, and `auto` beside them',
    answer: { description: 'Models', schema: z.object({ models: z.array(LISTED) }) },
  },
  {
    method: 'post',
    path: '/api/show',
    tag,
    errors,
    summary: 'One model',
    body: SHOW,
    example: { model: 'auto' },
    answer: {
      description: 'The model',
      schema: z.looseObject({
        parameters: z.string(),
        template: z.string(),
        details: DETAILS,
        model_info: z.looseObject({}),
        capabilities: z.array(z.string()),
      }),
    },
  },
  {
    method: 'get',
    path: '/api/ps',
    tag,
    errors,
    summary: 'List the models that are loaded, and until when',
    answer: {
      description: 'Models',
      schema: z.object({ models: z.array(LISTED.extend({ expires_at: z.string(), size_vram: z.number() })) }),
    },
  },
  {
    method: 'get',
    path: '/api/version',
    tag,
    errors,
    summary: 'The release of Ollama whose API this is',
    answer: { description: 'Versions', schema: z.looseObject({ version: z.string(), server_version: z.string() }) },
  },
];
