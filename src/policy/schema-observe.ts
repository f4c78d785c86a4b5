import { z } from 'zod';
import { closedMap, positiveDuration } from './schema-values.ts';

const otlpSchema = closedMap({
  endpoint: z
    .url({ protocol: /^https?$/, error: 'expected an address such as http://127.0.0.1:4318' })
    .optional()
    .describe('Collector to send traces and metrics to; absent: as OTEL_EXPORTER_OTLP_ENDPOINT says, or nowhere.'),
  every: positiveDuration().default(60_000).describe('Gap between two sendings of metrics. Default 60s.'),
  trace_share: z.number().min(0).max(1).default(1).describe('Share of requests whose trace is sent. Default 1.'),
});

/** `observe`: who is told of what happens, beside the log and `/metrics`. Needs a restart. */
export const observeSchema = closedMap({
  otlp: otlpSchema.prefault({}).describe('OpenTelemetry over HTTP, as protocol buffers.'),
}).prefault({});
