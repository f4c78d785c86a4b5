import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { Exchange, ReplySink } from '../../src/core/runtime.ts';
import type { ConnectionParts } from './connection.ts';
import { firstTokenLimitMs, silenceLimitMs } from './deadlines.ts';
import type { ReleaseMutex } from './npu-mutex.ts';
import type { ToWorker } from './protocol.ts';
import type { WorkerRequest } from './read-request.ts';
import { createWatchdog, type Watchdog } from './watchdog.ts';
import type { ReplyListener, ReplyMessage } from './worker-link.ts';

/** Starts a request that has been read; the reply goes to the sink in OpenAI's language. */
export function startWorkerExchange(parts: ConnectionParts, request: WorkerRequest, sink: ReplySink): Exchange {
  const exchange = new WorkerExchange(parts, request, sink);
  exchange.start();
  return exchange;
}

const NOTHING: Exchange = { abort: () => undefined, resume: () => undefined };

/** A reply that is an error before anything began. */
export function refuseExchange(error: GatewayError, sink: ReplySink): Exchange {
  // Not at once: whoever starts an exchange holds it before the first call comes.
  queueMicrotask(() => sink.failed(error));
  return NOTHING;
}

/** What is left of a generation when the worker hangs is the worker's end: see `onHang`. */
class WorkerExchange implements Exchange, ReplyListener {
  readonly #parts: ConnectionParts;
  readonly #request: WorkerRequest;
  readonly #sink: ReplySink;
  readonly #waiting = new AbortController();
  readonly #silenceMs: number;
  #id: number | undefined;
  #release: ReleaseMutex = () => undefined;
  #watchdog: Watchdog | undefined;
  /** What came while the reader was full. */
  #held: Buffer[] = [];
  #paused = false;
  #begun = false;
  /** The sink gets nothing more. */
  #closed = false;

  constructor(parts: ConnectionParts, request: WorkerRequest, sink: ReplySink) {
    this.#parts = parts;
    this.#request = request;
    this.#sink = sink;
    this.#silenceMs = silenceLimitMs(parts.rates(), parts.rules);
  }

  start(): void {
    this.#begin().catch((error: unknown) => this.#fail(asGatewayError(error)));
  }

  abort(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.abort(new GatewayError('cancelled', 'request cancelled'));
    // The worker still answers, which is how the NPU becomes free.
    if (this.#id !== undefined) this.#parts.link.send({ kind: 'abort', id: this.#id });
  }

  resume(): void {
    this.#paused = false;
    const held = Buffer.concat(this.#held);
    this.#held = [];
    if (held.length > 0) this.#write(held);
    if (this.#ended && !this.#paused) this.#end();
  }

  bytes(bytes: Buffer): void {
    this.#watchdog?.heard(this.#silenceMs);
    if (!this.#closed && bytes.length > 0) this.#write(bytes);
  }

  reply(message: ReplyMessage): void {
    switch (message.kind) {
      case 'started':
        this.#watchdog?.heard(this.#firstTokenLimitMs(message.promptTokens));
        return;
      case 'finished':
        this.#settle();
        if (!this.#closed) this.#finish();
        return;
      case 'counted':
        // Only what asked for a count gets one.
        return;
      case 'vectors':
      case 'scores':
        this.#settle();
        this.#parts.onRows(message.rssBytes);
        if (this.#closed) return;
        this.#write(Buffer.from(encodeRows(message, this.#parts.model.id)));
        this.#finish();
        return;
      case 'failed':
        this.#settle();
        if (this.#closed) return;
        this.#parts.link.explain(message).then(
          (error) => this.#fail(error),
          (error: unknown) => this.#fail(asGatewayError(error)),
        );
    }
  }

  gone(error: GatewayError): void {
    this.#settle();
    this.#fail(error);
  }

  async #begin(): Promise<void> {
    const { link, clock } = this.#parts;
    this.#release = await link.takeNpu(this.#waiting.signal);
    if (this.#closed) return this.#release();
    if (this.#request.kind === 'chat' && this.#request.ignored.length > 0) {
      this.#sink.ignored?.(this.#request.ignored);
    }
    this.#id = link.open(this);
    this.#watchdog = createWatchdog(clock, this.#firstTokenLimitMs(undefined), (limitMs) => this.#onSilence(limitMs));
    link.send(this.#message(this.#id));
  }

  #firstTokenLimitMs(promptTokens: number | undefined): number {
    const guess = this.#request.kind === 'chat' ? this.#request.promptTokensGuess : 0;
    return firstTokenLimitMs(promptTokens ?? guess, this.#parts.rates(), this.#parts.rules);
  }

  /** The worker has said its last word about this request: the NPU is free. */
  #settle(): void {
    this.#id = undefined;
    this.#watchdog?.stop();
    this.#release();
  }

  #onSilence(limitMs: number): void {
    this.#parts.onHang();
    const message = `${this.#parts.model.id} said nothing for ${Math.round(limitMs / 1000)} s: its worker hangs and is replaced`;
    this.#fail(new GatewayError('runtime_failed', message));
  }

  #message(id: number): ToWorker {
    const { clock, model } = this.#parts;
    if (this.#request.kind !== 'chat') return { ...this.#request.message, id };
    const { message, stream, includeUsage } = this.#request;
    const identity = { id: `chatcmpl-${clock.randomHex(12)}`, createdSec: clock.nowMs() / 1000, model: model.id };
    return { ...message, id, reply: { ...identity, stream, includeUsage } };
  }

  /** The head goes out with the first piece, so that an error during the prefill is still a status. */
  #write(bytes: Buffer): void {
    if (this.#paused) {
      this.#held.push(bytes);
      return;
    }
    if (!this.#begun) {
      this.#begun = true;
      const isStream = this.#request.kind === 'chat' && this.#request.stream;
      this.#sink.head(200, isStream ? 'text/event-stream' : 'application/json');
    }
    if (!this.#sink.chunk(bytes)) this.#paused = true;
  }

  /** The reader has everything, or will have it when it goes on. */
  #ended = false;

  #finish(): void {
    this.#ended = true;
    if (!this.#paused) this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.end();
  }

  #fail(error: GatewayError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.failed(error);
  }
}

function encodeRows(message: Extract<ReplyMessage, { kind: 'vectors' | 'scores' }>, model: string): string {
  const usage = { prompt_tokens: message.tokens, total_tokens: message.tokens };
  if (message.kind === 'vectors') {
    const rows = message.vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }));
    return JSON.stringify({ object: 'list', model, data: rows, usage });
  }
  const results = message.scores.map((score, index) => ({ index, relevance_score: score }));
  return JSON.stringify({ object: 'list', model, results, usage });
}

function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('runtime_failed', `talking to the worker failed: ${messageOf(thrown)}`, { cause: thrown });
}
