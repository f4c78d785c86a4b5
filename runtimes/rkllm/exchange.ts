import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { Exchange, ReplySink } from '../../src/core/runtime.ts';
import { createStreamEncoder, encodeReply, type ReplyEnd, type StreamEncoder } from './chat/openai-encode.ts';
import type { Delta } from './chat/parse-output.ts';
import type { ConnectionParts } from './connection.ts';
import { firstTokenLimitMs, silenceLimitMs } from './deadlines.ts';
import type { ReleaseMutex } from './npu-mutex.ts';
import type { FinishedMessage } from './protocol.ts';
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
  readonly #encoder: StreamEncoder | undefined;
  readonly #identity: { readonly id: string; readonly createdSec: number; readonly model: string };
  readonly #silenceMs: number;
  #id: number | undefined;
  #release: ReleaseMutex = () => undefined;
  #watchdog: Watchdog | undefined;
  /** Deltas of a reply that is not a stream. */
  #deltas: Delta[] = [];
  /** Events that came while the reader was full. */
  #held: string[] = [];
  #paused = false;
  #begun = false;
  /** The sink gets nothing more. */
  #closed = false;

  constructor(parts: ConnectionParts, request: WorkerRequest, sink: ReplySink) {
    this.#parts = parts;
    this.#request = request;
    this.#sink = sink;
    const { clock, model } = parts;
    this.#identity = {
      id: `chatcmpl-${clock.randomHex(12)}`,
      createdSec: clock.nowMs() / 1000,
      model: model.id,
    };
    this.#silenceMs = silenceLimitMs(parts.rates(), parts.rules);
    if (request.kind === 'chat' && request.stream) {
      this.#encoder = createStreamEncoder(this.#identity, { includeUsage: request.includeUsage });
    }
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
    const held = this.#held.join('');
    this.#held = [];
    if (held !== '') this.#write(held);
    if (this.#ended !== undefined && !this.#paused) this.#endStream(this.#ended);
  }

  reply(message: ReplyMessage): void {
    switch (message.kind) {
      case 'started':
        this.#watchdog?.heard(this.#firstTokenLimitMs(message.promptTokens));
        return;
      case 'deltas':
        this.#watchdog?.heard(this.#silenceMs);
        if (!this.#closed) this.#add(message.deltas);
        return;
      case 'finished':
        this.#settle();
        if (!this.#closed) this.#finish(message);
        return;
      case 'vectors':
      case 'scores':
        this.#settle();
        if (!this.#closed) this.#finishWith(encodeRows(message, this.#parts.model.id));
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
    link.send({ ...this.#request.message, id: this.#id });
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

  #add(deltas: readonly Delta[]): void {
    if (deltas.length === 0) return;
    if (this.#encoder === undefined) {
      this.#deltas.push(...deltas);
      return;
    }
    this.#write(this.#head() + this.#encoder.deltas(deltas));
  }

  /** The head goes out with the first piece, so that an error during the prefill is still a status. */
  #head(): string {
    if (this.#begun || this.#encoder === undefined) return '';
    this.#begun = true;
    this.#sink.head(200, 'text/event-stream');
    return this.#encoder.start();
  }

  #write(events: string): void {
    if (this.#paused) this.#held.push(events);
    else if (!this.#sink.chunk(Buffer.from(events))) this.#paused = true;
  }

  #ended: ReplyEnd | undefined;

  #finish(message: FinishedMessage): void {
    const end = endOf(message);
    if (this.#encoder === undefined) {
      this.#finishWith(encodeReply(this.#identity, this.#deltas, end));
      return;
    }
    if (this.#paused) this.#ended = end;
    else this.#endStream(end);
  }

  #endStream(end: ReplyEnd): void {
    if (this.#closed || this.#encoder === undefined) return;
    this.#closed = true;
    this.#write(this.#head() + this.#encoder.end(end));
    this.#sink.end();
  }

  #finishWith(json: string): void {
    this.#closed = true;
    this.#sink.head(200, 'application/json');
    this.#sink.chunk(Buffer.from(json));
    this.#sink.end();
  }

  #fail(error: GatewayError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.failed(error);
  }
}

function endOf(message: FinishedMessage): ReplyEnd {
  return {
    // Aborted by itself only when the client is gone, and then nobody reads this.
    reason: message.reason === 'aborted' ? 'stop' : message.reason,
    figures: {
      promptTokens: message.prefillTokens,
      prefillMs: message.prefillMs,
      cachedTokens: message.cachedTokens ?? 0,
      outputTokens: message.outputTokens,
      decodeMs: message.decodeMs,
    },
  };
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
