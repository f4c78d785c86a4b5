import { z } from 'zod';
import { MODEL_CLASSES } from '../../core/classes.ts';
import { PROVENANCES } from '../../core/profile.ts';
import type { Parameter } from './endpoint.ts';

/** A class of request. */
export const CLASS = z.enum(MODEL_CLASSES);

/** The name of a model, as `model` of a request. */
export const MODEL_NAME = z
  .string()
  .describe('`auto`, `auto:<class>`, or the id, alias, friendly name or file name of a model; absent = `auto`');

/** A prediction on the wire; times in ms. */
export const PREDICTION = z
  .looseObject({
    prompt_tokens: z.number(),
    cached_tokens: z.number().describe("Prompt tokens expected in the child's cache"),
    output_tokens: z.number(),
    wait_ms: z.number(),
    load_ms: z.number(),
    prefill_ms: z.number(),
    decode_ms: z.number(),
    ttft_ms: z.number(),
    e2e_ms: z.number().describe('At most so long with probability `quantile`'),
    e2e_median_ms: z.number(),
    quantile: z.number(),
    basis: z.enum(PROVENANCES).describe('The least trusted provenance among the figures used'),
  })
  .describe('Predicted course of the request');

/** What a request came to. */
export const ACTUAL = z
  .looseObject({
    queue_ms: z.number().optional(),
    load_ms: z.number().optional(),
    ttft_ms: z.number().optional(),
    e2e_ms: z.number().optional(),
    prompt_tokens: z.number().optional(),
    cached_tokens: z.number().optional(),
    output_tokens: z.number().optional(),
    prefill_ms: z.number().optional(),
    decode_ms: z.number().optional(),
    prefill_tokens_per_sec: z.number().optional(),
    decode_tokens_per_sec: z.number().optional(),
  })
  .describe('Measured course of the request; absent where it never got that far');

/** The router's account of a request, in every reply. */
export const X_ROUTER = z.looseObject({
  request_id: z.string(),
  model: z.string(),
  class: CLASS,
  task: z.string(),
  reason: z.string(),
  degraded: z.boolean(),
  attempts: z.number().optional(),
  ignored: z.array(z.string()).optional().describe('Fields of the request that the runtime could not honour'),
  predicted: PREDICTION,
  actual: ACTUAL,
});

/** Request headers that any generation may carry. */
export const GENERATION_HEADERS: readonly Parameter[] = [
  { name: 'x-router-class', in: 'header', description: 'Class of the request', schema: CLASS },
  {
    name: 'x-slo-ttft-ms',
    in: 'header',
    description: 'TTFT target of this request, ms',
    schema: z.number().positive(),
  },
  {
    name: 'x-slo-e2e-ms',
    in: 'header',
    description: 'End-to-end target of this request, ms',
    schema: z.number().positive(),
  },
  {
    name: 'x-request-id',
    in: 'header',
    description: 'Kept as the id of the request',
    schema: z.string().regex(/^[\w.:-]{1,128}$/),
  },
];

/** A model's id in the path. */
export const MODEL_PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  description: 'Name of a model',
  schema: z.string(),
};
