import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';

const tag = 'process';
const errors = 'openai';

/** What asks about the gateway's process itself. */
export const PROCESS_ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/health',
    tag,
    errors,
    isPublic: true,
    summary: 'The process is alive; says nothing about models',
    answer: { description: 'Alive', schema: z.object({ status: z.literal('ok') }) },
  },
  {
    method: 'get',
    path: '/ready',
    tag,
    errors,
    isPublic: true,
    summary: 'Whether a request could be answered; 503 with the same body where not',
    answer: {
      description: 'At least one model can be used',
      schema: z.object({
        ready: z.boolean(),
        usable: z.array(z.string()),
        unusable: z.array(z.object({ model: z.string(), reason: z.string(), remedy: z.string() })),
        message: z.string(),
      }),
    },
  },
  {
    method: 'get',
    path: '/metrics',
    tag,
    errors,
    summary: 'Everything that is counted and measured, for Prometheus',
    answer: { description: "Prometheus' text format", contentType: 'text/plain' },
  },
  {
    method: 'get',
    path: '/openapi.json',
    tag,
    errors,
    isPublic: true,
    summary: 'This document',
    answer: { description: 'An OpenAPI 3.1 document', schema: z.looseObject({ openapi: z.string() }) },
  },
  {
    method: 'get',
    path: '/docs',
    tag,
    errors,
    isPublic: true,
    summary: 'This document as a page for people',
    answer: { description: 'A page', contentType: 'text/html' },
  },
  {
    method: 'get',
    path: '/dashboard/{file}',
    tag,
    errors,
    isPublic: true,
    summary: 'What the dashboard at / is made of; names are in the page',
    parameters: [{ name: 'file', in: 'path', description: 'Name of a file', schema: z.string() }],
    answer: { description: 'A file', contentType: 'text/javascript' },
  },
];
