import { requestIdOf } from '../../batch/write-results.ts';
import { classify } from '../../classify/classify.ts';
import type { Batch, BatchUsage, ClaimedJob } from '../../core/batch.ts';
import type { Clock } from '../../core/clock.ts';
import type { Decision, Workload } from '../../core/decision.ts';
import { type ErrorCode, GatewayError, messageOf } from '../../core/errors.ts';
import { type ModelId, requestId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { DecodedGeneration, GenerationCodec } from '../../dialects/codec.ts';
import { readFinal } from '../../dialects/engine/final.ts';
import { decide } from '../../route/decide.ts';
import type { RequestRun, ServeParts, ServeSink } from '../job.ts';
import { startRequest } from '../request-run.ts';
import { resultLine } from './result-line.ts';
import {
  bodyOf,
  isResumable,
  type Partial,
  ReplyAssembler,
  readPartial,
  resumingBody,
  type WholeReply,
} from './resume.ts';

/** What one item needs. */
export type ItemParts = {
  readonly clock: Clock;
  readonly serve: ServeParts;
  readonly policy: () => Policy;
  readonly snapshot: () => Snapshot;
  readonly codecOf: (path: string) => GenerationCodec;
  /** Says that the model's child holds what an interrupted answer goes on with, or no longer does. */
  readonly keepState: (model: ModelId, keep: boolean) => void;
};

/** One item that is to be run on one model. */
export type Item = {
  readonly batch: Batch;
  readonly job: ClaimedJob;
  readonly model: ModelId;
  /** Its line of the input file. */
  readonly line: Buffer;
  /** A better model that would have been used, had there been time. */
  readonly insteadOf?: ModelId | undefined;
};

/** How an attempt ended. */
export type ItemEnd =
  | { readonly kind: 'done'; readonly text: string; readonly usage: BatchUsage; readonly lostMs: number }
  /** The request itself cannot be answered: its error is its result. */
  | { readonly kind: 'refused'; readonly text: string }
  /** A child died or failed over it. */
  | { readonly kind: 'crashed'; readonly error: GatewayError; readonly text: string }
  /** Not its fault, and not for long: it is tried again. */
  | { readonly kind: 'later'; readonly error: GatewayError }
  /** It made way for people: `lostMs` of engine time are lost, `partial` is what it goes on with. */
  | { readonly kind: 'preempted'; readonly lostMs: number; readonly partial: string | undefined };

/** A running attempt. */
export type RunningItem = {
  readonly end: Promise<ItemEnd>;
  /** Stops it: it ends as `later`. */
  readonly stop: () => void;
};

/** Codes that say something of the request and not of the machine. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'context_length_exceeded',
  'unsupported_feature',
  'runtime_rejected',
  'model_not_found',
  'payload_too_large',
]);

/** Runs one item like any other request of class `batch`, on the model the plan gives it, window or not. */
export function runItem(parts: ItemParts, item: Item): RunningItem {
  const attempt = new Attempt(parts, item);
  return { end: attempt.end, stop: () => attempt.stop() };
}

class Attempt {
  readonly end: Promise<ItemEnd>;
  readonly #parts: ItemParts;
  readonly #item: Item;
  #resolve: (end: ItemEnd) => void = () => undefined;
  #run: RequestRun | undefined;

  constructor(parts: ItemParts, item: Item) {
    this.#parts = parts;
    this.#item = item;
    this.end = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    try {
      this.#begin();
    } catch (error) {
      this.#failed(asGatewayError(error));
    }
  }

  stop(): void {
    this.#run?.abort();
    this.#resolve({ kind: 'later', error: new GatewayError('shutting_down', 'stopped') });
  }

  #begin(): void {
    const { codecOf, policy } = this.#parts;
    const { batch, line, model, job } = this.#item;
    const body = bodyOf(line);
    const asBatch = (name: string) => (name === 'x-router-class' ? 'batch' : undefined);
    const decoded = codecOf(batch.request.endpoint).decode(Buffer.from(JSON.stringify(body)), asBatch);
    const { workload, decision } = this.#decide(decoded);
    if (decision.kind === 'refused') {
      this.#failed(new GatewayError(decision.refusal.code, decision.refusal.message));
      return;
    }
    const canContinue = policy().runtimes.get(policy().models.get(model)?.runtime ?? ('' as never))?.kind === CONTINUES;
    const isChat = batch.request.endpoint === '/v1/chat/completions';
    const asStream = policy().batch.yield === 'resume' && canContinue && isChat && isResumable(body);
    const before = asStream ? readPartial(job.partial, model) : undefined;
    this.#start({ decoded, workload, decision, ...(asStream && { resumable: { body, before } }) });
  }

  #decide({ facts }: DecodedGeneration): { readonly workload: Workload; readonly decision: Decision } {
    const { policy, snapshot } = this.#parts;
    const classified = classify({ ...facts, model: this.#item.model }, policy(), undefined);
    if (classified.kind === 'invalid') throw new GatewayError(classified.code, classified.message);
    const { workload } = classified;
    // When batches run is the batch's own matter; the window of the class is for requests that ask for it by name.
    return { workload, decision: decide(workload, { ...snapshot(), windows: new Map() }, policy()) };
  }

  #start(begun: Begun): void {
    const { clock, serve, policy } = this.#parts;
    const { batch, job } = this.#item;
    const { decoded, workload, decision, resumable } = begun;
    const id = requestId(requestIdOf(batch.id, job.line));
    this.#run = startRequest(
      serve,
      {
        ...{ requestId: id, workload, decision, features: undefined, client: batch.client },
        receivedAtMs: clock.nowMs(),
        receivedMs: clock.monotonicMs(),
        yieldsTo: policy().batch.yield === 'finish' ? [] : policy().classes.batch.yieldTo,
        mayPause: policy().batch.yield === 'resume',
        path: decoded.enginePath,
        bodyFor: (model) =>
          resumable === undefined
            ? decoded.engineBody(model, workload.outputTokensMax)
            : resumingBody(resumable.body, model, resumable.before),
      },
      resumable === undefined ? this.#wholeSink(begun) : this.#streamSink(resumable),
    );
  }

  #wholeSink({ decoded, decision }: Begun): ServeSink {
    const { clock } = this.#parts;
    const { batch, job } = this.#item;
    const writer = decoded.writer({
      requestId: requestId(requestIdOf(batch.id, job.line)),
      receivedAtMs: clock.nowMs(),
      promptTokens: Math.round(decision.predicted.promptTokens),
      nowMs: () => clock.nowMs(),
    });
    return this.#sink({
      head: (model) => void writer.begin(model),
      chunk: () => true,
      end: (last) => ({ body: String(writer.end(last)), usage: usageOf(last), lostMs: 0 }),
      partial: () => undefined,
    });
  }

  #streamSink({ before }: Resumable): ServeSink {
    const { clock } = this.#parts;
    const { batch, job, model } = this.#item;
    const assembler = new ReplyAssembler(before);
    return this.#sink({
      head: () => undefined,
      chunk: (bytes) => {
        assembler.push(bytes);
        return true;
      },
      end: (last) => {
        assembler.push(last);
        return assembler.reply(requestIdOf(batch.id, job.line), model, Math.floor(clock.nowMs() / 1000));
      },
      partial: () => assembler.partial(model),
    });
  }

  #sink({ head, chunk, end, partial }: ReplyReader): ServeSink {
    const { keepState } = this.#parts;
    const { model } = this.#item;
    return {
      moved: () => undefined,
      head,
      chunk,
      end: (last) => {
        keepState(model, false);
        try {
          const { body, ...rest } = end(last);
          const text = resultLine(this.#item, { status: 200, body, lostMs: rest.lostMs });
          this.#resolve({ kind: 'done', text, ...rest });
        } catch (error) {
          this.#failed(new GatewayError('runtime_failed', messageOf(error)));
        }
      },
      failed: (error) => this.#failed(error),
      madeWay: (spentMs) => {
        const kept = partial();
        keepState(model, kept !== undefined);
        const isKept = kept !== undefined;
        this.#resolve({
          kind: 'preempted',
          lostMs: isKept ? 0 : spentMs,
          partial: isKept ? JSON.stringify(kept) : undefined,
        });
        return true;
      },
    };
  }

  #failed(error: GatewayError): void {
    const codec = this.#parts.codecOf(this.#item.batch.request.endpoint);
    const { status, body } = codec.encodeError(error);
    const code = status ?? error.details.status ?? (FINAL.has(error.code) ? 400 : 502);
    const text = resultLine(this.#item, { status: code, body, lostMs: 0 });
    // An answer that falls apart falls apart again.
    if (FINAL.has(error.code) || error.code === 'degenerate_output') this.#resolve({ kind: 'refused', text });
    else if (error.code === 'runtime_failed') this.#resolve({ kind: 'crashed', error, text });
    else this.#resolve({ kind: 'later', error });
  }
}

/** The runtime kind that goes on with an assistant's turn that has begun. */
const CONTINUES = 'llama-server';

type Resumable = { readonly body: Readonly<Record<string, unknown>>; readonly before: Partial | undefined };

type Begun = {
  readonly decoded: DecodedGeneration;
  readonly workload: Workload;
  readonly decision: Extract<Decision, { kind: 'chosen' }>;
  readonly resumable?: Resumable;
};

type ReplyReader = {
  readonly head: (model: ModelId) => void;
  readonly chunk: (bytes: Buffer) => boolean;
  /** The reply as JSON text; throws where it is none. */
  readonly end: (last: Buffer) => WholeReply;
  readonly partial: () => Partial | undefined;
};

function usageOf(reply: Buffer): BatchUsage {
  const final = readFinal(JSON.parse(reply.toString('utf8')) as Parameters<typeof readFinal>[0]);
  return {
    inputTokens: final.promptTokens ?? 0,
    cachedTokens: final.cachedTokens ?? 0,
    outputTokens: final.outputTokens ?? 0,
    reasoningTokens: final.reasoningTokens ?? 0,
  };
}

const asGatewayError = (error: unknown): GatewayError =>
  error instanceof GatewayError ? error : new GatewayError('invalid_request', messageOf(error), { cause: error });
