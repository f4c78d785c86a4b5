import type { ServerResponse } from 'node:http';
import type { GatewayError } from '../core/errors.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { GatewayPolicy } from '../core/policy.ts';
import { encodeError } from '../dialects/openai/encode-error.ts';
import type { RequestRun, ServeSink } from '../serve/job.ts';
import { retryHeaders, statusOf } from './error-status.ts';
import type { OpenAnswer, OpenAnswers } from './open-answers.ts';

/** What an answer is told before it starts. */
export type AnswerSetup = {
  readonly outgoing: ServerResponse;
  readonly requestId: RequestId;
  readonly stream: boolean;
  /** Monotonic ms at arrival. */
  readonly receivedMs: number;
  readonly gateway: GatewayPolicy;
  readonly answers: OpenAnswers;
};

/** What the router decided, for the headers. */
export type AnswerRoute = { readonly model: ModelId; readonly class: string; readonly reason: string };

const PING = ': ping\n\n';
const SSE_HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };

/**
 * The OpenAI-dialect answer on a Node response. Until its first byte an error is a status code; a stream that has
 * nothing to say yet sends its headers after `earlyHeadersMs` and an SSE comment every `heartbeatMs`, a plain answer
 * keeps its status open for `statusHoldMs` and then sends white space, which JSON allows.
 */
export class Answer implements ServeSink, OpenAnswer {
  slot = -1;
  readonly #setup: AnswerSetup;
  readonly #run: () => RequestRun | undefined;
  #route: AnswerRoute | undefined;
  #lastWriteMs: number;
  /** True once bytes of the engine's reply have been written: heartbeats are the engine's from then on. */
  #hasReply = false;
  #contentType = 'application/json; charset=utf-8';

  constructor(setup: AnswerSetup, run: () => RequestRun | undefined) {
    this.#setup = setup;
    this.#run = run;
    this.#lastWriteMs = setup.receivedMs;
    setup.answers.add(this);
  }

  get requestId(): RequestId {
    return this.#setup.requestId;
  }

  cancel(): void {
    this.#run()?.cancel();
  }

  /** Says which model will answer. */
  routed(route: AnswerRoute): void {
    this.#route = { model: route.model, class: route.class, reason: toAscii(route.reason) };
  }

  // Headers that go out early must not name the model that has just failed.
  moved(model: ModelId): void {
    if (this.#route !== undefined) this.#route = { ...this.#route, model };
  }

  head(_: ModelId, contentType: string): void {
    this.#contentType = contentType;
    this.#hasReply = true;
    if (this.#setup.stream) this.#startStream();
  }

  chunk(bytes: Buffer): boolean {
    const { outgoing } = this.#setup;
    if (outgoing.write(bytes)) return true;
    outgoing.once('drain', () => this.#run()?.resume());
    return false;
  }

  end(last: Buffer): void {
    const { outgoing, answers, stream } = this.#setup;
    answers.remove(this);
    if (!outgoing.headersSent && !stream) {
      outgoing.writeHead(
        200,
        this.#headers({ 'content-type': this.#contentType, 'content-length': String(last.length) }),
      );
    }
    outgoing.end(last);
  }

  failed(error: GatewayError): void {
    const { outgoing, answers, stream } = this.#setup;
    answers.remove(this);
    if (outgoing.writableEnded || outgoing.destroyed) return;
    const body = JSON.stringify(encodeError(error));
    if (!outgoing.headersSent) {
      const headers = { 'content-type': 'application/json; charset=utf-8', ...retryHeaders(error) };
      outgoing.writeHead(
        statusOf(error),
        this.#headers({ ...headers, 'content-length': String(Buffer.byteLength(body)) }),
      );
      outgoing.end(body);
      return;
    }
    outgoing.end(stream ? `data: ${body}\n\n` : body);
  }

  beat(nowMs: number): void {
    const { outgoing, receivedMs, gateway, stream } = this.#setup;
    if (this.#hasReply || outgoing.writableEnded) return;
    if (outgoing.headersSent) {
      if (nowMs - this.#lastWriteMs >= gateway.heartbeatMs) this.#write(stream ? PING : ' ', nowMs);
      return;
    }
    const waitedMs = nowMs - receivedMs;
    if (stream && waitedMs >= gateway.earlyHeadersMs) {
      this.#startStream();
      this.#write(PING, nowMs);
    } else if (!stream && waitedMs >= gateway.statusHoldMs) {
      outgoing.writeHead(200, this.#headers({ 'content-type': this.#contentType }));
      this.#write(' ', nowMs);
    }
  }

  /** The client has left. */
  close(): void {
    this.#setup.answers.remove(this);
  }

  #startStream(): void {
    const { outgoing } = this.#setup;
    if (!outgoing.headersSent) outgoing.writeHead(200, this.#headers(SSE_HEADERS));
  }

  #write(text: string, nowMs: number): void {
    this.#lastWriteMs = nowMs;
    this.#setup.outgoing.write(text);
  }

  #headers(own: Record<string, string>): Record<string, string> {
    const route = this.#route;
    const requestId = this.#setup.requestId;
    if (route === undefined) return { ...own, 'x-request-id': requestId };
    // One literal: an object that grows key by key costs as much as the rest of the answer's head.
    return {
      ...own,
      'x-request-id': requestId,
      'x-router-model': route.model,
      'x-router-class': route.class,
      'x-router-reason': route.reason,
    };
  }
}

// Header values are bytes: a model's name or a rule may hold more than ASCII, which Node refuses to send.
const toAscii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
