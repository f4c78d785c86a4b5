import { GatewayError, messageOf } from '../core/errors.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { GatewayPolicy } from '../core/policy.ts';
import type { EncodeError, ReplyWriter } from '../dialects/codec.ts';
import type { RequestRun, ServeSink } from '../serve/job.ts';
import { retryHeaders, statusOf } from './error-status.ts';
import type { OpenAnswer, OpenAnswers } from './open-answers.ts';
import type { ReplyTarget } from './reply-target.ts';

/** What an answer is told before it starts. */
export type AnswerSetup = {
  readonly outgoing: ReplyTarget;
  readonly requestId: RequestId;
  /** Name of the client; undefined where nobody has one. */
  readonly client: string | undefined;
  readonly stream: boolean;
  /** True where the client wants to be told how far its request has come. */
  readonly wantsProgress: boolean;
  /** Monotonic ms at arrival. */
  readonly receivedMs: number;
  readonly gateway: GatewayPolicy;
  readonly answers: OpenAnswers;
  /** Writes the reply in the client's language. */
  readonly writer: ReplyWriter;
  readonly encodeError: EncodeError;
};

/** What the router decided, for the headers. */
export type AnswerRoute = { readonly model: ModelId; readonly class: string; readonly reason: string };

/** Gap between two reports to a client that asked for them. */
const PROGRESS_MS = 1000;
const STREAM_HEADERS = ['cache-control', 'no-cache', 'x-accel-buffering', 'no'] as const;

/**
 * An answer on a Node response, in the words of its writer. Until its first byte an error is a status code; a stream that
 * has nothing to say yet sends its headers after `earlyHeadersMs` and a heartbeat every `heartbeatMs`, a plain answer
 * keeps its status open for `statusHoldMs` and then sends heartbeats, which are white space there.
 */
export class Answer implements ServeSink, OpenAnswer {
  slot = -1;
  readonly #setup: AnswerSetup;
  readonly #run: () => RequestRun | undefined;
  #route: AnswerRoute | undefined;
  #lastWriteMs: number;
  /** True once bytes of the engine's reply have been written: heartbeats are the engine's from then on. */
  #hasReply = false;

  constructor(setup: AnswerSetup, run: () => RequestRun | undefined) {
    this.#setup = setup;
    this.#run = run;
    this.#lastWriteMs = setup.receivedMs;
    setup.answers.add(this);
  }

  get client(): string | undefined {
    return this.#setup.client;
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

  head(model: ModelId): void {
    const { outgoing, stream, writer } = this.#setup;
    this.#hasReply = true;
    const opening = writer.begin(model);
    if (!stream) return;
    this.#startStream();
    if (opening.length > 0) outgoing.write(opening);
  }

  chunk(bytes: Buffer): boolean {
    const { outgoing, writer } = this.#setup;
    const written = writer.events(bytes);
    if (written.length === 0 || outgoing.write(written)) return true;
    outgoing.once('drain', () => this.#run()?.resume());
    return false;
  }

  end(last: Buffer): void {
    const { outgoing, answers, stream, writer } = this.#setup;
    const written = this.#lastWords(last);
    if (written === undefined) return;
    answers.remove(this);
    if (!outgoing.headersSent && !stream) {
      const length = String(Buffer.byteLength(written));
      outgoing.writeHead(200, this.#headers(writer.contentType, 'content-length', length));
    }
    outgoing.end(written);
  }

  failed(error: GatewayError): void {
    const { outgoing, requestId, answers, writer, encodeError } = this.#setup;
    answers.remove(this);
    if (outgoing.writableEnded || outgoing.destroyed) return;
    if (!outgoing.headersSent) {
      const { status, body } = encodeError(error, requestId);
      const length = String(Buffer.byteLength(body));
      const headers = this.#headers('application/json; charset=utf-8', 'content-length', length);
      outgoing.writeHead(status ?? statusOf(error), headers.concat(...Object.entries(retryHeaders(error))));
      outgoing.end(body);
      return;
    }
    outgoing.spoil?.();
    outgoing.end(writer.failed(error));
  }

  beat(nowMs: number): void {
    const { outgoing, receivedMs, gateway, stream, writer } = this.#setup;
    if (this.#hasReply || outgoing.writableEnded) return;
    const tells = stream && this.#setup.wantsProgress;
    if (outgoing.headersSent) {
      const gapMs = tells ? Math.min(PROGRESS_MS, gateway.heartbeatMs) : gateway.heartbeatMs;
      if (nowMs - this.#lastWriteMs >= gapMs) this.#heartbeat(nowMs);
      return;
    }
    const waitedMs = nowMs - receivedMs;
    if (stream && (tells || waitedMs >= gateway.earlyHeadersMs)) {
      this.#startStream();
      this.#heartbeat(nowMs);
    } else if (!stream && waitedMs >= gateway.statusHoldMs) {
      outgoing.writeHead(200, this.#headers(writer.contentType));
      this.#heartbeat(nowMs);
    }
  }

  /** The client has left. */
  close(): void {
    this.#setup.answers.remove(this);
  }

  // An engine's 200 that is not what it claims to be must not take the gateway down with it.
  #lastWords(last: Buffer): Buffer | string | undefined {
    try {
      return this.#setup.writer.end(last);
    } catch (error) {
      if (error instanceof GatewayError) {
        this.failed(error);
        return undefined;
      }
      const model = this.#route?.model ?? 'the model';
      this.failed(new GatewayError('runtime_failed', `${model} sent a reply that cannot be read: ${messageOf(error)}`));
      return undefined;
    }
  }

  #startStream(): void {
    const { outgoing, writer } = this.#setup;
    if (outgoing.headersSent) return;
    outgoing.writeHead(200, this.#headers(writer.contentType, ...STREAM_HEADERS));
  }

  #heartbeat(nowMs: number): void {
    const { outgoing, writer } = this.#setup;
    this.#lastWriteMs = nowMs;
    const progress = this.#setup.wantsProgress ? this.#run()?.progress() : undefined;
    outgoing.write(writer.heartbeat(this.#route?.model, progress));
  }

  #headers(contentType: string, ...more: string[]): string[] {
    const route = this.#route;
    more.push('content-type', contentType, 'x-request-id', this.#setup.requestId);
    if (route === undefined) return more;
    more.push('x-router-model', route.model, 'x-router-class', route.class, 'x-router-reason', route.reason);
    return more;
  }
}

// Header values are bytes: a model's name or a rule may hold more than ASCII, which Node refuses to send.
const toAscii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
