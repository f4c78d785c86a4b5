import sonicBoom from 'sonic-boom';
import { type CancelTimer, systemClock } from '../core/clock.ts';
import type { GatewayEvent, RequestRecord } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';
import { openLogFile } from './log-file.ts';

/** How log lines look and which are written. */
export type LogOptions = {
  readonly format: 'text' | 'json';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** A file beside standard error: JSON lines, with the output of the models whatever the level. */
  readonly file?: LogFileOptions | undefined;
};

/** Where log lines are kept, and how many of them. */
export type LogFileOptions = {
  readonly path: string;
  /** The file is put aside at this size … */
  readonly fileBytes: number;
  /** … and so many of those put aside are kept. */
  readonly olderFiles: number;
};

/** Writes events to standard error, and to a file where one is named. */
export interface EventLog {
  write(event: GatewayEvent): void;
  /** Writes what is buffered and ends the file; to be called before the process ends. */
  close(): Promise<void>;
}

type Line = { readonly level: keyof typeof LEVELS; readonly message: string; readonly fields: object };

/** Pino's numbers, which log viewers know. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;

/** Opens the log. On standard error events of models' output are written at level `debug` only. */
export async function openEventLog({ format, level, file }: LogOptions): Promise<EventLog> {
  const { writeLine, flush } = format === 'text' ? await openText() : openJson();
  const onLoss = (why: string) => {
    const message = `lines are missing from the log file ${file?.path}: ${why}; the gateway runs on`;
    writeLine({ level: 'warn', message, fields: {} }, { kind: 'gateway.notice', level: 'warn', message });
  };
  const kept =
    file === undefined ? undefined : openLogFile(file.path, { ...file, pendingBytes: PENDING_BYTES }, onLoss);
  return {
    write: (event) => {
      const isOutput = event.kind === 'child.log';
      if (isOutput && level !== 'debug' && kept === undefined) return;
      const line = toLine(event);
      const isWanted = LEVELS[line.level] >= LEVELS[level];
      if (isWanted || isOutput) kept?.write(jsonLine(line, event));
      if (isWanted) writeLine(line, event);
    },
    close: async () => {
      flush();
      await kept?.close();
    },
  };
}

/** What may wait for a slow disk before lines are left out. */
const PENDING_BYTES = 4_000_000;

type Writer = { readonly writeLine: (line: Line, event: GatewayEvent) => void; readonly flush: () => void };

// In pino's form, which log viewers know.
function jsonLine({ level, message, fields }: Line, event: GatewayEvent): string {
  if (event.kind === 'request.finished') return `${requestJson(event.record, LEVELS[level], message)}\n`;
  const line = { level: LEVELS[level], time: systemClock.nowMs(), event: event.kind, ...fields, msg: message };
  return `${JSON.stringify(line)}\n`;
}

// Nearly all lines of a busy gateway. In one piece and without a spread, which would make it twice as dear.
const requestJson = (record: RequestRecord, level: number, msg: string): string => {
  const { actual } = record;
  return JSON.stringify({
    level,
    time: systemClock.nowMs(),
    event: 'request.finished',
    requestId: record.requestId,
    client: record.client,
    class: record.class,
    model: record.model,
    degraded: record.degraded,
    outcome: record.outcome.kind,
    queueMs: actual.queueMs,
    loadMs: actual.loadMs,
    ttftMs: actual.ttftMs,
    e2eMs: actual.e2eMs,
    attempts: actual.attempts,
    preempted: actual.preempted,
    lostMs: actual.lostMs,
    pausedMs: actual.pausedMs,
    promptTokens: actual.promptTokens,
    cachedTokens: actual.cachedTokens,
    outputTokens: actual.outputTokens,
    prefillMs: actual.prefillMs,
    decodeMs: actual.decodeMs,
    msg,
  });
};

async function openText(): Promise<Writer> {
  const [{ default: pino }, { default: prettify }] = await Promise.all([import('pino'), import('pino-pretty')]);
  const pretty = prettify({
    destination: 2,
    sync: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
  const log = pino({ level: 'debug', base: undefined }, pretty);
  return { writeLine: ({ level, message }) => log[level](message), flush: () => undefined };
}

/** Lines that are written together, because a write per request costs more than the request's line. */
const LINES_PER_WRITE = 64;
const WRITE_EVERY_MS = 500;

// Lines of pino's form through pino's own writer, without pino: its encoder makes a line out of some sixty strings, which
// was a sixth of all the memory a request took, and its library a tenth of what a gateway at rest takes.
function openJson(): Writer {
  const stream = new sonicBoom.SonicBoom({ fd: 2, sync: false });
  let lines: string[] = [];
  let cancelTimer: CancelTimer | undefined;
  const writeOut = () => {
    cancelTimer?.();
    cancelTimer = undefined;
    if (lines.length > 0) stream.write(lines.join(''));
    lines = [];
  };
  return {
    writeLine: (line, event) => {
      lines.push(jsonLine(line, event));
      if (lines.length >= LINES_PER_WRITE) writeOut();
      else cancelTimer ??= systemClock.after(WRITE_EVERY_MS, writeOut);
    },
    flush: () => {
      writeOut();
      stream.flushSync();
    },
  };
}

/** An event as one line. Prompt text is never in an event, so it is never in the log. */
export function toLine(event: GatewayEvent): Line {
  switch (event.kind) {
    case 'request.finished':
      return requestLine(event.record);
    case 'request.rejected':
      return {
        level: 'info',
        message: `${event.requestId ?? '-'} ${event.endpoint} rejected: ${event.code}${event.param === undefined ? '' : ` (${event.param})`}`,
        fields: event,
      };
    case 'request.retried':
      return { level: 'warn', message: `${event.requestId} retried on ${event.to}: ${event.cause}`, fields: event };
    case 'request.preempted':
      return {
        level: 'info',
        message: `${event.requestId} made way for ${event.by} work on ${event.model} after ${formatDurationMs(event.spentMs)} and waits again`,
        fields: event,
      };
    case 'request.looped':
      return {
        level: 'warn',
        message: `${event.requestId} stopped on ${event.model}: its last ${event.chars} characters repeat ${event.periodChars}`,
        fields: event,
      };
    case 'child.state':
      return {
        level: event.to === 'backoff' || event.to === 'failed' ? 'warn' : 'info',
        message: `${event.model} ${event.from} -> ${event.to}${event.detail === '' ? '' : `: ${event.detail}`}`,
        fields: event,
      };
    case 'child.log':
      return { level: 'debug', message: `${event.model} | ${event.line}`, fields: { model: event.model } };
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

const NO_FIELDS = Object.freeze({});

function requestLine(record: RequestRecord): Line {
  const { outcome, actual } = record;
  const time = actual.e2eMs === undefined ? '' : ` in ${formatDurationMs(actual.e2eMs)}`;
  const end = outcome.kind === 'ok' ? `ok${outcome.sloMet ? '' : ', target missed'}` : outcome.kind;
  const why = outcome.kind === 'refused' || outcome.kind === 'failed' ? `: ${outcome.message}` : '';
  return {
    level: outcome.kind === 'failed' ? 'warn' : 'info',
    message: `${record.requestId} ${record.class} -> ${record.model ?? 'nobody'} ${end}${time}${why}`,
    // Written out by `requestJson`.
    fields: NO_FIELDS,
  };
}
