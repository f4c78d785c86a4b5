import { requestIdOf } from '../../batch/write-results.ts';
import { classify } from '../../classify/classify.ts';
import type { Batch, BatchUsage, ClaimedJob } from '../../core/batch.ts';
import type { Clock } from '../../core/clock.ts';
import type { Decision } from '../../core/decision.ts';
import { type ErrorCode, GatewayError, messageOf } from '../../core/errors.ts';
import { type ModelId, requestId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { DecodedGeneration, GenerationCodec } from '../../dialects/codec.ts';
import { readFinal } from '../../dialects/engine/final.ts';
import { decide } from '../../route/decide.ts';
import type { RequestRun, ServeParts, ServeSink } from '../job.ts';
import { startRequest } from '../request-run.ts';

/** What one item needs. */
export type ItemParts = {
  readonly clock: Clock;
  readonly serve: ServeParts;
  readonly policy: () => Policy;
  readonly snapshot: () => Snapshot;
  readonly codecOf: (path: string) => GenerationCodec;
};

/** One item that is to be run on one model. */
export type Item = {
  readonly batch: Batch;
  readonly job: ClaimedJob;
  readonly model: ModelId;
  /** Its line of the input file. */
  readonly line: Buffer;
};

/** How an attempt ended. */
export type ItemEnd =
  | { readonly kind: 'done'; readonly text: string; readonly usage: BatchUsage }
  /** The request itself cannot be answered: its error is its result. */
  | { readonly kind: 'refused'; readonly text: string }
  /** A child died or failed over it. */
  | { readonly kind: 'crashed'; readonly error: GatewayError; readonly text: string }
  /** Not its fault, and not for long: it is tried again. */
  | { readonly kind: 'later'; readonly error: GatewayError }
  /** It made way for people; `spentMs` of engine time are lost. */
  | { readonly kind: 'preempted'; readonly spentMs: number };

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
  let run: RequestRun | undefined;
  let stop: () => void = () => undefined;
  const end = new Promise<ItemEnd>((resolve) => {
    stop = () => {
      run?.abort();
      resolve({ kind: 'later', error: new GatewayError('shutting_down', 'stopped') });
    };
    try {
      const decoded = decode(parts, item);
      const decision = decideFor(parts, item, decoded);
      if (decision.kind === 'refused') {
        const { code, message } = decision.refusal;
        resolve(failure(parts, item, new GatewayError(code, message)));
        return;
      }
      run = start(parts, { item, decoded, decision }, resolve);
    } catch (error) {
      resolve(failure(parts, item, asGatewayError(error)));
    }
  });
  return { end, stop: () => stop() };
}

type Started = {
  readonly item: Item;
  readonly decoded: DecodedGeneration;
  readonly decision: Extract<Decision, { kind: 'chosen' }> & { readonly workload: Decided['workload'] };
};
type Decided = ReturnType<typeof decideFor>;

function decode({ codecOf }: ItemParts, { batch, line }: Item): DecodedGeneration {
  const { body } = JSON.parse(line.toString('utf8')) as { readonly body: unknown };
  const asBatch = (name: string) => (name === 'x-router-class' ? 'batch' : undefined);
  return codecOf(batch.request.endpoint).decode(Buffer.from(JSON.stringify(body)), asBatch);
}

function decideFor({ policy, snapshot }: ItemParts, { model }: Item, { facts }: DecodedGeneration) {
  const classified = classify({ ...facts, model }, policy(), undefined);
  if (classified.kind === 'invalid') throw new GatewayError(classified.code, classified.message);
  const { workload } = classified;
  // When batches run is the batch's own matter; the window of the class is for requests that ask for it by name.
  const decision = decide(workload, { ...snapshot(), windows: new Map() }, policy());
  return { ...decision, workload };
}

function start(parts: ItemParts, { item, decoded, decision }: Started, resolve: (end: ItemEnd) => void): RequestRun {
  const { clock, serve, policy } = parts;
  const { batch, job } = item;
  const { workload } = decision;
  const id = requestId(requestIdOf(batch.id, job.line));
  const receivedAtMs = clock.nowMs();
  const receivedMs = clock.monotonicMs();
  const promptTokens = Math.round(decision.predicted.promptTokens);
  const writer = decoded.writer({ requestId: id, receivedAtMs, promptTokens, nowMs: () => clock.nowMs() });
  const sink: ServeSink = {
    moved: () => undefined,
    head: (model) => void writer.begin(model),
    chunk: () => true,
    end: (last) => {
      try {
        const body = String(writer.end(last));
        resolve({ kind: 'done', text: resultLine(item, 200, body), usage: usageOf(last) });
      } catch (error) {
        resolve(failure(parts, item, new GatewayError('runtime_failed', messageOf(error))));
      }
    },
    failed: (error) => resolve(failure(parts, item, error)),
    madeWay: (spentMs) => {
      resolve({ kind: 'preempted', spentMs });
      return true;
    },
  };
  return startRequest(
    serve,
    {
      ...{ requestId: id, receivedAtMs, receivedMs, workload, decision, features: undefined },
      client: batch.client,
      yieldsTo: policy().batch.yield === 'finish' ? [] : policy().classes.batch.yieldTo,
      path: decoded.enginePath,
      bodyFor: (model) => decoded.engineBody(model, workload.outputTokensMax),
    },
    sink,
  );
}

function failure({ codecOf }: ItemParts, item: Item, error: GatewayError): ItemEnd {
  const text = errorLine(item, codecOf(item.batch.request.endpoint), error);
  // An answer that falls apart falls apart again.
  if (FINAL.has(error.code) || error.code === 'degenerate_output') return { kind: 'refused', text };
  if (error.code === 'runtime_failed') return { kind: 'crashed', error, text };
  return { kind: 'later', error };
}

function errorLine(item: Item, codec: GenerationCodec, error: GatewayError): string {
  const { status, body } = codec.encodeError(error);
  return resultLine(item, status ?? error.details.status ?? (FINAL.has(error.code) ? 400 : 502), body);
}

// The body is JSON text already; parsed and written again it is sure to be on one line.
function resultLine({ batch, job }: Item, status: number, body: string): string {
  const id = requestIdOf(batch.id, job.line);
  const response = { status_code: status, request_id: id, body: JSON.parse(body) as unknown };
  return JSON.stringify({ id, custom_id: job.customId, response, error: null });
}

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
