import pino from 'pino';
import type { GatewayEvent, RequestRecord } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';

/** How log lines look and which are written. */
export type LogOptions = {
  readonly format: 'text' | 'json';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
};

/** Writes events to standard error. */
export interface EventLog {
  write(event: GatewayEvent): void;
  /** Writes what is buffered; to be called before the process ends. */
  flush(): void;
}

type Line = { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string; readonly fields: object };

/** Opens the log. JSON lines are written twice a second or by 4 KiB, because a
 * write per request costs more than the request's line. */
export async function openEventLog({ format, level }: LogOptions): Promise<EventLog> {
  const stream =
    format === 'text'
      ? (await import('pino-pretty')).default({
          destination: 2,
          sync: true,
          ignore: 'pid,hostname',
          translateTime: 'SYS:HH:MM:ss',
          singleLine: true,
        })
      : pino.destination({ dest: 2, sync: false, minLength: 4096, periodicFlush: 500 });
  const log = pino({ level, base: undefined }, stream);
  return {
    write: (event) => {
      if (event.kind === 'child.log' && level !== 'debug') return;
      const line = toLine(event);
      if (format === 'text') log[line.level](line.message);
      else log[line.level]({ event: event.kind, ...line.fields }, line.message);
    },
    flush: () => {
      if ('flushSync' in stream) stream.flushSync();
    },
  };
}

/** An event as one line. Prompt text is never in an event, so it is never in the log. */
export function toLine(event: GatewayEvent): Line {
  switch (event.kind) {
    case 'request.finished':
      return requestLine(event.record);
    case 'request.retried':
      return { level: 'warn', message: `${event.requestId} retried on ${event.to}: ${event.cause}`, fields: event };
    case 'child.state':
      return {
        level: event.to === 'backoff' || event.to === 'failed' ? 'warn' : 'info',
        message: `${event.model} ${event.from} -> ${event.to}${event.detail === '' ? '' : `: ${event.detail}`}`,
        fields: event,
      };
    case 'child.log':
      return { level: 'debug', message: `${event.model} | ${event.line}`, fields: event };
    case 'child.evicted':
      return { level: 'info', message: `${event.model} unloaded to make room for ${event.for}`, fields: event };
    case 'policy.loaded':
      return { level: 'info', message: `policy ${event.file} (${event.revision}) in force`, fields: event };
    case 'policy.rejected':
      return {
        level: 'error',
        message: `policy kept as it was, the changed file is invalid:\n${event.message}`,
        fields: event,
      };
    case 'gateway.notice':
      return { level: event.level, message: event.message, fields: {} };
  }
}

function requestLine(record: RequestRecord): Line {
  const { outcome, actual } = record;
  const time = actual.e2eMs === undefined ? '' : ` in ${formatDurationMs(actual.e2eMs)}`;
  const end = outcome.kind === 'ok' ? `ok${outcome.sloMet ? '' : ', target missed'}` : outcome.kind;
  const why = outcome.kind === 'refused' || outcome.kind === 'failed' ? `: ${outcome.message}` : '';
  const fields = {
    requestId: record.requestId,
    client: record.client,
    class: record.class,
    model: record.model,
    degraded: record.degraded,
    outcome: outcome.kind,
    ...actual,
  };
  return {
    level: outcome.kind === 'failed' ? 'warn' : 'info',
    message: `${record.requestId} ${record.class} -> ${record.model ?? 'nobody'} ${end}${time}${why}`,
    fields,
  };
}
