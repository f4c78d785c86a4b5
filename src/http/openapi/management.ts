import { z } from 'zod';
import { PROVENANCES } from '../../core/profile.ts';
import type { Endpoint } from './endpoint.ts';
import { MODEL } from './openai.ts';

const tag = 'management';
const errors = 'openai';

const ORDER = z.looseObject({
  model: z.string().min(1).describe('Id, alias, friendly name or file name'),
});
const OUTCOME = z.looseObject({
  model: z.string(),
  state: z.string(),
  last_load_ms: z.number().nullable(),
  memory_bytes: z.number().nullable(),
});
const DRAIN = z.object({ draining: z.boolean(), drained: z.boolean(), requests_active: z.number() });

/** Speed of a model as routing reckons with it. */
export const SPEED = z
  .looseObject({
    prefill_tokens_per_sec: z.number(),
    decode_tokens_per_sec: z.number(),
    ttft_ms: z.number().describe('Time to first token of a prompt of `ttft_prompt_tokens`, on the loaded model'),
    ttft_prompt_tokens: z.number(),
    load_ms: z.number(),
    basis: z.enum(PROVENANCES).describe('The least trusted provenance among the figures'),
    stale: z.boolean().describe('True where they were taken in another state of the machine'),
  })
  .nullable();

const AVAILABLE = MODEL.extend({
  friendly_name: z.string(),
  file: z.string(),
  size_bytes: z.number().nullable(),
  memory_bytes: z.number().nullable(),
  trained_context_length: z.number().nullable(),
  loaded: z.boolean(),
  reason: z.string().optional().describe('Why it cannot be used'),
  remedy: z.string().optional(),
  speed: SPEED,
});

const LOADED = MODEL.extend({
  pid: z.number().nullable(),
  memory_bytes: z.number(),
  rss_bytes: z.number().nullable(),
  running: z.number(),
  started_at: z.iso.datetime().nullable(),
  unloads_at: z.iso.datetime().nullable(),
});

/** What an operator does with models. */
export const MANAGEMENT_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/v1/models/available',
    tag,
    errors,
    summary: 'Every model of the policy with its file, and why it cannot be used where it cannot',
    answer: { description: 'Models', schema: z.object({ object: z.literal('list'), data: z.array(AVAILABLE) }) },
  },
  {
    method: 'get',
    path: '/v1/models/loaded',
    tag,
    errors,
    summary: 'Models that are loaded, with their processes',
    answer: { description: 'Models', schema: z.object({ object: z.literal('list'), data: z.array(LOADED) }) },
  },
  {
    method: 'post',
    path: '/v1/models/load',
    tag,
    errors,
    summary: 'Load a model',
    description: 'Answers when it is ready. `keep_alive` as in Ollama: how long it stays while nobody asks for it.',
    body: ORDER.extend({ keep_alive: z.union([z.number(), z.string()]).nullish() }),
    example: { model: 'tiny' },
    answer: { description: 'The model is loaded', schema: OUTCOME },
  },
  {
    method: 'post',
    path: '/v1/models/unload',
    tag,
    errors,
    summary: 'Stop a model once its generations have ended',
    body: ORDER,
    example: { model: 'tiny' },
    answer: { description: 'The model is stopped', schema: OUTCOME },
  },
  {
    method: 'post',
    path: '/router/drain',
    tag,
    errors,
    summary: 'Take no new work and wait until the running has ended',
    parameters: [
      { name: 'wait', in: 'query', description: '`false` answers at once', schema: z.enum(['true', 'false']) },
    ],
    answer: { description: 'No work is left, or what is', schema: DRAIN },
  },
  {
    method: 'delete',
    path: '/router/drain',
    tag,
    errors,
    summary: 'Take new work again',
    answer: { description: 'Work is taken', schema: DRAIN },
  },
];
