import { z } from 'zod';
import { PROVENANCES } from '../../core/profile.ts';
import { VERDICTS } from '../../report/verdict.ts';
import type { Endpoint, Parameter } from './endpoint.ts';
import { CHAT_EXAMPLE, CHAT_REQUEST } from './openai.ts';
import { ACTUAL, CLASS, MODEL_PARAMETER, PREDICTION } from './shared.ts';

const tag = 'router';
const errors = 'openai';

const REQUEST_PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  description: 'The `x-request-id` of a request',
  schema: z.string(),
};

const REASON = z.object({ rule: z.string(), detail: z.string() });

const CANDIDATE = z.looseObject({
  model: z.string(),
  device: z.string().nullish(),
  quality: z.number(),
  utility: z.number().nullable(),
  feasible: z.boolean(),
  reason: z.string(),
  predicted: PREDICTION.nullable(),
});

const RECORD = z.looseObject({
  request_id: z.string(),
  received_at: z.iso.datetime(),
  client: z.string(),
  class: CLASS,
  task: z.string(),
  reasons: z.array(REASON),
  model: z.string().nullable(),
  reason: z.string(),
  degraded: z.boolean(),
  stream: z.boolean(),
  outcome: z.looseObject({ kind: z.enum(['ok', 'refused', 'failed', 'cancelled']) }),
  predicted: PREDICTION.nullable(),
  actual: ACTUAL,
  candidates: z.array(CANDIDATE),
});

const VERDICT = z.object({
  verdict: z.enum(VERDICTS),
  why: z.string(),
  basis: z.enum(PROVENANCES),
  provisional: z.boolean(),
});

const MODEL_STATE = z.looseObject({
  id: z.string(),
  runtime: z.string(),
  device: z.string().optional(),
  availability: z.looseObject({ kind: z.enum(['available', 'unavailable']) }),
  state: z.looseObject({ kind: z.string() }),
  running: z.number(),
  parallel: z.number(),
  pid: z.number().nullable(),
  restarts: z.number(),
  rss_bytes: z.number().nullable(),
  memory_bytes: z.number().nullable(),
  verdict: VERDICT.nullable(),
  stale: z.array(z.string()),
  quarantined: z.string().nullable(),
  loops: z.object({ stopped: z.number(), answers: z.number() }).nullable(),
});

const LANE_ENTRY = z.object({ class: CLASS, model: z.string(), remaining_ms: z.number() });

const USAGE = z.object({
  day: z.iso.date(),
  client: z.string(),
  requests: z.number(),
  refused: z.number(),
  failed: z.number(),
  prompt_tokens: z.number(),
  cached_tokens: z.number(),
  output_tokens: z.number(),
});

const CLIENT = z.looseObject({ name: z.string(), running: z.number(), limits: z.looseObject({}), today: USAGE });

const BATCH = z.looseObject({
  id: z.string(),
  client: z.string(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  state: z.string().nullable(),
  paused: z.string().nullable(),
  in_time: z.number().nullable(),
  predicted_finish: z.iso.datetime().nullable(),
  deadline: z.iso.datetime(),
});

const STATUS = z.looseObject({
  version: z.string(),
  started_at: z.iso.datetime(),
  uptime_s: z.number(),
  state: z.enum(['starting', 'serving', 'draining']),
  policy: z.looseObject({ file: z.string(), revision: z.string(), error: z.string().nullable() }),
  memory: z.looseObject({ budget_bytes: z.number(), gateway_rss_bytes: z.number() }),
  requests_active: z.number(),
  batches: z.array(BATCH),
  lanes: z.array(
    z.looseObject({
      device: z.string(),
      lanes: z.number(),
      running: z.array(LANE_ENTRY),
      waiting: z.array(LANE_ENTRY),
    }),
  ),
  clients: z.array(CLIENT),
  models: z.array(MODEL_STATE),
});

const EXPLANATION = z.looseObject({
  class: CLASS,
  task: z.string(),
  reasons: z.array(REASON),
  tokens: z.looseObject({ prompt: z.number().nullable(), output: z.number().nullable() }),
  slo: z.looseObject({ ttft_ms: z.number().nullable(), e2e_ms: z.number().nullable() }),
  chosen: z.looseObject({ model: z.string(), reason: z.string(), predicted: PREDICTION }).nullable(),
  refusal: z.looseObject({ code: z.string(), message: z.string() }).optional(),
  candidates: z.array(CANDIDATE),
  degraded: z.boolean(),
});

const POLICY = z.object({
  file: z.string(),
  revision: z.string(),
  since: z.iso.datetime(),
  text: z.string(),
  error: z.object({ message: z.string(), at: z.iso.datetime(), diff: z.string().nullable() }).nullable(),
  previous: z
    .object({
      revision: z.string(),
      since: z.iso.datetime(),
      diff: z.string().nullable(),
      changes: z.array(z.object({ path: z.string(), before: z.string().nullable(), after: z.string().nullable() })),
    })
    .nullable(),
});

const FINDING = z.object({
  id: z.string(),
  severity: z.enum(['ok', 'info', 'warn', 'error']),
  title: z.string(),
  measured: z.string(),
  why: z.string(),
  remedy: z.string(),
});

const STATE = z.object({ model: z.string(), state: z.string().optional() });

/** The router's own. */
export const ROUTER_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/router/status',
    tag,
    errors,
    summary: 'One look at everything that runs',
    answer: { description: 'Lanes, queues, children, memory', schema: STATUS },
  },
  {
    method: 'get',
    path: '/router/models',
    tag,
    errors,
    summary: 'Every model of the policy with its child',
    answer: { description: 'Models', schema: z.object({ models: z.array(MODEL_STATE) }) },
  },
  {
    method: 'get',
    path: '/router/profiles',
    tag,
    errors,
    summary: 'Every figure that drives routing, with its provenance',
    answer: {
      description: 'Figures by model and metric; `stale` says which belong to another state of the machine',
      schema: z.object({
        profiles: z.record(z.string(), z.looseObject({})),
        stale: z.record(z.string(), z.array(z.string())),
      }),
    },
  },
  {
    method: 'post',
    path: '/router/explain',
    tag,
    errors,
    summary: 'What would be chosen for a chat completion and why; nothing is run',
    body: CHAT_REQUEST,
    example: CHAT_EXAMPLE,
    answer: { description: 'The decision', schema: EXPLANATION },
  },
  {
    method: 'get',
    path: '/router/policy',
    tag,
    errors,
    summary: "The policy's text and what its last change did; values of environments are hidden",
    answer: { description: 'The policy', schema: POLICY },
  },
  {
    method: 'get',
    path: '/router/doctor',
    tag,
    errors,
    summary: 'What is wrong with this machine or could be better for its models; looks anew each time',
    answer: {
      description: 'Findings, as `sluice doctor --json` prints them',
      schema: z.object({ findings: z.array(FINDING) }),
    },
  },
  {
    method: 'get',
    path: '/router/usage',
    tag,
    errors,
    summary: 'What each client has used up, day by day',
    parameters: [{ name: 'days', in: 'query', description: 'How many', schema: z.int().min(1).max(1000).default(7) }],
    answer: { description: 'Days, newest first', schema: z.object({ usage: z.array(USAGE) }) },
  },
  {
    method: 'get',
    path: '/router/decisions',
    tag,
    errors,
    summary: 'The newest requests, newest first',
    parameters: [{ name: 'limit', in: 'query', description: 'How many', schema: z.int().min(1).max(1000).default(50) }],
    answer: { description: 'Requests', schema: z.object({ decisions: z.array(RECORD) }) },
  },
  {
    method: 'get',
    path: '/router/decisions/{id}',
    tag,
    errors,
    summary: 'One finished request',
    parameters: [REQUEST_PARAMETER],
    answer: { description: 'The request', schema: RECORD },
  },
  {
    method: 'get',
    path: '/router/events',
    tag,
    errors,
    summary: 'Everything that happens, as it happens',
    answer: { description: 'Server-sent events', contentType: 'text/event-stream' },
  },
  {
    method: 'delete',
    path: '/router/requests/{id}',
    tag,
    errors,
    summary: 'Cancel a request that waits or runs',
    parameters: [REQUEST_PARAMETER],
    answer: { description: 'Cancelled', schema: z.object({ id: z.string(), cancelled: z.literal(true) }) },
  },
  {
    method: 'post',
    path: '/router/models/{id}/load',
    tag,
    errors,
    summary: 'Load a model; the answer comes when it is ready',
    parameters: [MODEL_PARAMETER],
    answer: { description: 'Its state', schema: STATE },
  },
  {
    method: 'post',
    path: '/router/models/{id}/unload',
    tag,
    errors,
    summary: 'Stop the child of a model',
    parameters: [MODEL_PARAMETER],
    answer: { description: 'Its state', schema: STATE },
  },
  {
    method: 'get',
    path: '/router/models/{id}/logs',
    tag,
    errors,
    summary: "The last lines of a child's log, one a line",
    parameters: [
      MODEL_PARAMETER,
      { name: 'follow', in: 'query', description: 'Go on with new lines as server-sent events', schema: z.string() },
    ],
    answer: { description: 'Lines', contentType: 'text/plain' },
    stream: { contentType: 'text/event-stream', description: 'With `follow`' },
  },
];
