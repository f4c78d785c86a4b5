import { z } from 'zod';
import { BATCH_ENDPOINTS, BATCH_STATUSES } from '../../core/batch.ts';
import type { Endpoint, Parameter } from './endpoint.ts';

const tag = 'batches';
const errors = 'openai';

const FILE = z.looseObject({
  id: z.string(),
  object: z.literal('file'),
  bytes: z.number(),
  created_at: z.number(),
  expires_at: z.number().optional(),
  filename: z.string(),
  purpose: z.enum(['batch', 'batch_output']),
  status: z.literal('processed'),
});

const TIME = z.number().nullable();

const BATCH = z.looseObject({
  id: z.string(),
  object: z.literal('batch'),
  endpoint: z.enum(BATCH_ENDPOINTS),
  errors: z
    .looseObject({
      data: z.array(
        z.object({
          code: z.string(),
          message: z.string(),
          param: z.string().nullable(),
          line: z.number().nullable(),
        }),
      ),
    })
    .nullable(),
  input_file_id: z.string(),
  completion_window: z.string(),
  status: z.enum(BATCH_STATUSES),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  created_at: z.number(),
  in_progress_at: TIME,
  expires_at: TIME,
  finalizing_at: TIME,
  completed_at: TIME,
  failed_at: TIME,
  expired_at: TIME,
  cancelling_at: TIME,
  cancelled_at: TIME,
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  usage: z.looseObject({ input_tokens: z.number(), output_tokens: z.number(), total_tokens: z.number() }),
  metadata: z.record(z.string(), z.string()).nullable(),
  x_router: z
    .looseObject({
      state: z.string().optional(),
      planned: z.record(z.string(), z.number()).optional(),
      in_time: z.number().optional(),
      predicted_finish: z.string().nullish(),
      promised: z.boolean().optional(),
      lost_ms: z.number(),
      preempted: z.number(),
      paused: z.string().nullable(),
    })
    .describe('When it runs, what is planned, what it has cost'),
});

const BATCH_REQUEST = z.looseObject({
  input_file_id: z.string(),
  endpoint: z.enum(BATCH_ENDPOINTS),
  completion_window: z.string().describe('Any duration, such as 24h or 90m'),
  metadata: z
    .record(z.string(), z.string())
    .nullish()
    .describe('May hold x_window, x_deadline, x_model and x_min_quality; see docs/batches.md'),
  output_expires_after: z.looseObject({ anchor: z.literal('created_at'), seconds: z.number() }).nullish(),
});

const id = (what: string): Parameter => ({
  name: 'id',
  in: 'path',
  description: `Id of a ${what}`,
  schema: z.string(),
});

const pages = (limitMax: number): readonly Parameter[] => [
  { name: 'after', in: 'query', description: 'Id of the last one seen', schema: z.string() },
  { name: 'limit', in: 'query', description: 'How many', schema: z.int().min(1).max(limitMax) },
  { name: 'order', in: 'query', description: 'By creation; newest first by default', schema: z.enum(['asc', 'desc']) },
];

const list = (item: z.ZodType) =>
  z.looseObject({ object: z.literal('list'), data: z.array(item), has_more: z.boolean() });

/** OpenAI's Files and Batches. */
export const BATCH_ENDPOINT_LIST: readonly Endpoint[] = [
  {
    ...{ method: 'post', path: '/v1/files', tag, errors },
    summary: 'Upload a JSONL file for a batch',
    upload: z.object({
      purpose: z.literal('batch'),
      file: z.unknown().describe('The bytes'),
      'expires_after[anchor]': z.literal('created_at').optional(),
      'expires_after[seconds]': z.number().optional(),
    }),
    answer: { description: 'The file', schema: FILE },
  },
  {
    ...{ method: 'get', path: '/v1/files', tag, errors },
    summary: 'List your files',
    parameters: [
      ...pages(10_000),
      { name: 'purpose', in: 'query', description: 'Only these', schema: z.enum(['batch', 'batch_output']) },
    ],
    answer: { description: 'Files', schema: list(FILE) },
  },
  {
    ...{ method: 'get', path: '/v1/files/{id}', tag, errors },
    summary: 'One file',
    parameters: [id('file')],
    answer: { description: 'The file', schema: FILE },
  },
  {
    ...{ method: 'get', path: '/v1/files/{id}/content', tag, errors },
    summary: 'The bytes of a file',
    parameters: [id('file')],
    answer: { description: 'Its bytes', contentType: 'application/octet-stream' },
  },
  {
    ...{ method: 'delete', path: '/v1/files/{id}', tag, errors },
    summary: 'Delete a file; 409 while a batch reads it',
    parameters: [id('file')],
    answer: {
      description: 'Deleted',
      schema: z.object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) }),
    },
  },
  {
    ...{ method: 'post', path: '/v1/batches', tag, errors },
    summary: 'Run the requests of a file when it is time',
    body: BATCH_REQUEST,
    example: { input_file_id: 'file-abc', endpoint: '/v1/chat/completions', completion_window: '24h' },
    answer: { description: 'The batch', schema: BATCH },
  },
  {
    ...{ method: 'get', path: '/v1/batches', tag, errors },
    summary: 'List your batches',
    parameters: pages(100),
    answer: { description: 'Batches', schema: list(BATCH) },
  },
  {
    ...{ method: 'get', path: '/v1/batches/{id}', tag, errors },
    summary: 'One batch',
    parameters: [id('batch')],
    answer: { description: 'The batch', schema: BATCH },
  },
  {
    ...{ method: 'post', path: '/v1/batches/{id}/cancel', tag, errors },
    summary: 'End a batch early; what was done until then is kept',
    parameters: [id('batch')],
    answer: { description: 'The batch', schema: BATCH },
  },
  {
    ...{ method: 'delete', path: '/v1/batches/{id}', tag, errors },
    summary: 'Delete a batch that has ended and the files it wrote; 409 until then',
    parameters: [id('batch')],
    answer: {
      description: 'Deleted',
      schema: z.object({ id: z.string(), object: z.literal('batch'), deleted: z.literal(true) }),
    },
  },
];
