import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { RequestRecord } from '../core/events.ts';
import { hrTime } from './otel-metrics.ts';

/**
 * Writes the trace of a request that has ended: one span for the request, below it what it waited for and what was
 * done. Nothing is measured for it: queue and load are the gateway's own times, prefill and decode the engine's, set so
 * that they meet at the first token.
 */
export function traceRequest(tracer: Tracer, record: RequestRecord): void {
  const { receivedAtMs, actual, outcome } = record;
  const e2eMs = actual.e2eMs ?? (actual.queueMs ?? 0) + (actual.loadMs ?? 0);
  const operation = record.operation ?? 'chat';
  const root = tracer.startSpan(
    record.model === undefined ? operation : `${operation} ${record.model}`,
    { kind: SpanKind.SERVER, startTime: hrTime(receivedAtMs), attributes: attributesOf(record, operation) },
    parentOf(record.traceParent),
  );
  const within = trace.setSpan(context.active(), root);
  for (const { name, fromMs, toMs } of phasesOf(record, e2eMs)) {
    const span: Span = tracer.startSpan(name, { startTime: hrTime(receivedAtMs + fromMs) }, within);
    span.end(hrTime(receivedAtMs + toMs));
  }
  if (outcome.kind === 'failed') root.setStatus({ code: SpanStatusCode.ERROR, message: outcome.message });
  root.end(hrTime(receivedAtMs + e2eMs));
}

/** A part of a request, ms after its arrival. */
export type Phase = { readonly name: string; readonly fromMs: number; readonly toMs: number };

/** The parts of a request that took any time, in order, none of them beyond its end. */
export function phasesOf({ actual }: Pick<RequestRecord, 'actual'>, e2eMs: number): readonly Phase[] {
  const { queueMs = 0, loadMs = 0, prefillMs = 0, decodeMs = 0 } = actual;
  const readyMs = queueMs + loadMs;
  const firstMs = Math.max(readyMs, actual.ttftMs ?? readyMs + prefillMs);
  const phases = [
    { name: 'queue', fromMs: 0, toMs: queueMs },
    { name: 'load', fromMs: queueMs, toMs: readyMs },
    { name: 'prefill', fromMs: Math.max(readyMs, firstMs - prefillMs), toMs: prefillMs > 0 ? firstMs : 0 },
    { name: 'decode', fromMs: firstMs, toMs: firstMs + decodeMs },
  ];
  return phases
    .map(({ name, fromMs, toMs }) => ({ name, fromMs: Math.min(fromMs, e2eMs), toMs: Math.min(toMs, e2eMs) }))
    .filter(({ fromMs, toMs }) => toMs > fromMs);
}

function attributesOf(record: RequestRecord, operation: string): Attributes {
  const { actual, outcome, predicted, model } = record;
  return withoutAbsent({
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'sluice',
    'gen_ai.request.model': model,
    'gen_ai.response.model': model,
    'gen_ai.usage.input_tokens': actual.promptTokens,
    'gen_ai.usage.cache_read.input_tokens': actual.cachedTokens,
    'gen_ai.usage.output_tokens': actual.outputTokens,
    'gen_ai.response.finish_reasons':
      outcome.kind === 'ok' && outcome.finishReason !== undefined ? [outcome.finishReason] : undefined,
    'error.type': 'code' in outcome ? outcome.code : undefined,
    'sluice.request.id': record.requestId,
    'sluice.client': record.client,
    'sluice.class': record.class,
    'sluice.task': record.task,
    'sluice.outcome': outcome.kind,
    'sluice.reason': record.reason,
    'sluice.degraded': record.degraded,
    'sluice.stream': record.stream,
    'sluice.attempts': actual.attempts,
    'sluice.preempted': actual.preempted,
    'sluice.slo.met': outcome.kind === 'ok' ? outcome.sloMet : undefined,
    'sluice.predicted.ttft_ms': predicted?.ttftMs,
    'sluice.predicted.e2e_ms': predicted?.e2eMs,
    'sluice.predicted.basis': predicted?.basis,
  });
}

const withoutAbsent = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));

/** The caller's span as W3C's `traceparent` header names it; the request begins a trace of its own without one. */
function parentOf(traceParent: string | undefined): Context {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceParent ?? '');
  if (match === null) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = '00'] = match;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}
