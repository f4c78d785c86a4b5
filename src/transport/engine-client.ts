import { createRequire } from 'node:module';
import type { Dispatcher, Pool } from 'undici';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Exchange, ReplySink } from '../core/runtime.ts';

// The package's entry loads all of undici: fetch, web sockets, caches, mocks. Of that an engine needs these two files,
// and they take half the memory and a fifth of the time to load. They move only with the version, which is pinned.
const require = createRequire(import.meta.url);
const EnginePool = require('undici/lib/dispatcher/pool.js') as typeof Pool;
const requestThrough = require('undici/lib/api/api-request.js') as (
  this: Pool,
  call: Dispatcher.RequestOptions,
) => Promise<Dispatcher.ResponseData>;

/** Where an engine listens and how to speak to it. */
export type EngineAddress = {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sockets kept to the engine: as many as it has slots, and one for health. */
  readonly connections: number;
};

/** An HTTP client for one engine process. */
export interface EngineClient {
  /** POSTs `body` as JSON; the reply's bytes go to the sink untouched. */
  exchange(path: string, body: Buffer | string, sink: ReplySink): Exchange;
  /** Small questions (health, slots, props); a body that is text or bytes is taken for JSON as it is. Rejects with the signal's reason on abort, with the socket's error otherwise. */
  json(method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal): Promise<JsonReply>;
  close(): void;
}

/** Status and parsed body; `undefined` where the body is not JSON. */
export type JsonReply = { readonly status: number; readonly body: unknown };

/**
 * Opens a client for one engine. No time-outs of its own: a prefill may take minutes, and who watches for a hang is
 * the supervisor. A socket the engine closed while it lay idle (cpp-httplib does after 5 s) is not an error: the
 * request is sent once more on a new one, which is safe because nothing of a reply had come.
 */
export function createEngineClient(address: EngineAddress): EngineClient {
  const pool = new EnginePool(address.origin, {
    connections: address.connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    // Below cpp-httplib's own 5 s, so that it is we who close an idle socket.
    keepAliveTimeout: 2_000,
    keepAliveMaxTimeout: 4_000,
    connect: { timeout: 5_000, keepAlive: true, noDelay: true },
  });
  const jsonHeaders = { ...address.headers, 'content-type': 'application/json' };
  return {
    exchange: (path, body, sink) => startExchange(pool, { method: 'POST', path, body, headers: jsonHeaders }, sink),
    json: (method, path, body, signal) => askJson(pool, { method, path, body, headers: jsonHeaders }, signal),
    close: () => {
      // Rejections of requests cut off here were already delivered to their own sinks.
      pool.destroy().catch(() => undefined);
    },
  };
}

type Call = Dispatcher.DispatchOptions;

function startExchange(pool: Pool, call: Call, sink: ReplySink): Exchange {
  const exchange = new PoolExchange(pool, call, sink);
  exchange.send();
  return exchange;
}

/**
 * One request as an undici dispatch handler: the lowest layer undici offers, because a `Readable` per reply costs
 * more than the whole rest of the gateway at high request rates.
 */
class PoolExchange implements Exchange, Dispatcher.DispatchHandler {
  #controller: Dispatcher.DispatchController | undefined;
  #done = false;
  #headSeen = false;
  #attempts = 0;
  /** What one read of the socket brought: undici hands over each HTTP chunk alone, and a write for each costs more. */
  #pieces: Buffer[] = [];
  readonly #pool: Pool;
  readonly #call: Call;
  readonly #sink: ReplySink;

  constructor(pool: Pool, call: Call, sink: ReplySink) {
    this.#pool = pool;
    this.#call = call;
    this.#sink = sink;
  }

  send(): void {
    this.#attempts += 1;
    this.#pool.dispatch(this.#call, this);
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#controller?.abort(new GatewayError('cancelled', 'request cancelled'));
  }

  resume(): void {
    this.#controller?.resume();
  }

  #flush = (): void => {
    const pieces = this.#pieces;
    if (pieces.length === 0 || this.#done) return;
    this.#pieces = [];
    const bytes = pieces.length === 1 ? (pieces[0] ?? NOTHING) : Buffer.concat(pieces);
    if (!this.#sink.chunk(bytes)) this.#controller?.pause();
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Aborted while it waited for a socket: now it can be taken back.
    if (this.#done) controller.abort(new GatewayError('cancelled', 'request cancelled'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    if (this.#done || status < 200) return;
    this.#headSeen = true;
    const type = headers['content-type'];
    this.#sink.head(status, typeof type === 'string' ? type : '');
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#done) return;
    this.#controller = controller;
    if (this.#pieces.push(chunk) === 1) process.nextTick(this.#flush);
  }

  onResponseEnd(): void {
    this.#flush();
    if (this.#done) return;
    this.#done = true;
    this.#sink.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#done) return;
    if (!this.#headSeen && this.#attempts === 1 && isStaleSocket(error)) {
      this.send();
      return;
    }
    this.#flush();
    if (this.#done) return;
    this.#done = true;
    const where = this.#headSeen ? 'in the middle of its answer' : 'before it answered';
    this.#sink.failed(
      new GatewayError('runtime_failed', `the runtime broke off ${where}: ${messageOf(error)}`, { cause: error }),
    );
  }
}

const NOTHING = Buffer.alloc(0);
const STALE_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

function isStaleSocket(error: Error & { readonly code?: string }): boolean {
  return error.code !== undefined && STALE_CODES.has(error.code);
}

async function askJson(
  pool: Pool,
  call: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly body: unknown;
    readonly headers: Record<string, string>;
  },
  signal: AbortSignal,
): Promise<JsonReply> {
  const { statusCode, body } = await requestThrough.call(pool, {
    method: call.method,
    path: call.path,
    headers: call.headers,
    body: encodeBody(call.body),
    signal,
  });
  const text = await body.text();
  return { status: statusCode, body: parseOrUndefined(text) };
}

// Bytes and text are JSON already.
function encodeBody(body: unknown): Buffer | string | undefined {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) return body;
  return JSON.stringify(body);
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is an answer too; the caller decides by the status.
    return undefined;
  }
}
