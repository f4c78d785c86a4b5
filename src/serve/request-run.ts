import type { ModelClass } from '../core/classes.ts';
import type { Prediction } from '../core/decision.ts';
import { GatewayError } from '../core/errors.ts';
import type { Actual, Outcome } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { Progress } from '../core/progress.ts';
import type { Exchange, ReplySink } from '../core/runtime.ts';
import { type EngineEnd, readEnd } from '../dialects/openai/engine-end.ts';
import { patchReply } from '../dialects/openai/patch-reply.ts';
import { createStreamTap, type StreamTap } from '../dialects/openai/stream-tap.ts';
import { PREEMPTIONS_MAX } from '../route/preemption.ts';
import type { LaneRequest } from '../supervise/lane.ts';
import { readEngineError, refusedPromptTokens } from './engine-error.ts';
import { EnginePlace } from './engine-place.ts';
import { HeldReply, replyTooLong } from './held-reply.ts';
import type { RequestRun, ServeJob, ServeParts, ServeSink } from './job.ts';
import { cancelMsOf, laneRequestOf, workLeft } from './lane-work.ts';
import { openExchange } from './loop-guard.ts';
import type { PrefixRun } from './prefix-memory.ts';
import {
  actualOf,
  asGatewayError,
  brokenOff,
  failedOutcome,
  hasMedia,
  meets,
  nextCandidate,
  predictedOf,
  promptReadAfter,
  recordOf,
  releaseAfter,
  tellOf,
} from './run-outcome.ts';
import { progressOf } from './run-progress.ts';
import { encodeXRouter } from './x-router.ts';

/** Starts a decided request. The sink is called exactly once with `end` or `failed`, unless the run is aborted. */
export function startRequest(parts: ServeParts, job: ServeJob, sink: ServeSink): RequestRun {
  const run = new Run(parts, job, sink);
  run.start();
  return run;
}

class Run implements RequestRun, ReplySink {
  readonly #parts: ServeParts;
  readonly #job: ServeJob;
  readonly #sink: ServeSink;
  #cancel: AbortController | undefined;
  #model: ModelId;
  #attempts = 0;
  #waiting: LaneRequest | undefined;
  readonly #place: EnginePlace;
  #exchange: Exchange | undefined;
  #prefixRun: PrefixRun | undefined;
  #admittedMs = 0;
  /** The engine's count of a prompt it refused as too long; holds for the next candidate too, roughly. */
  #refusedTokens: number | undefined;
  #status = 0;
  #contentType = '';
  #tap: StreamTap | undefined;
  #held = new HeldReply();
  /** True once bytes of an answer have gone to the client: from then on no retry. */
  #committed = false;
  #closed = false;
  /** How often it made way for a more urgent request, and the engine's time lost by it. */
  #preempted = 0;
  #lostMs = 0;
  #queuedMs = 0;
  #loadMs = 0;
  #ttftMs: number | undefined;
  #ignored: readonly string[] | undefined;

  constructor(parts: ServeParts, job: ServeJob, sink: ServeSink) {
    this.#parts = parts;
    this.#place = new EnginePlace(parts);
    this.#job = job;
    this.#sink = sink;
    this.#model = job.decision.model;
  }

  start(): void {
    this.#attempts += 1;
    this.#begin();
  }

  #begin(): void {
    this.#attempt().catch((error: unknown) => this.#attemptFailed(asGatewayError(error)));
  }

  abort(): void {
    if (this.#closed) return;
    this.#cancel?.abort(new GatewayError('cancelled', 'request cancelled'));
    this.#exchange?.abort();
    this.#close({ kind: 'cancelled' }, {}, 'aborted');
  }

  cancel(): void {
    if (this.#closed) return;
    this.abort();
    this.#sink.failed(
      new GatewayError('cancelled', 'the request was cancelled by the operator', { shouldRetry: false }),
    );
  }

  resume(): void {
    this.#exchange?.resume();
  }

  async #attempt(): Promise<void> {
    const { lanes, supervisor, clock, guard } = this.#parts;
    const before = clock.monotonicMs();
    this.#waiting = this.#admission();
    this.#place.ticket = lanes.tryAdmit(this.#waiting) ?? (await lanes.admit(this.#waiting, this.#signal()));
    this.#waiting = undefined;
    if (this.#closed) return this.#giveBack('ok');
    this.#admittedMs = clock.monotonicMs();
    this.#queuedMs += this.#admittedMs - before;
    if (this.#sink.madeWay !== undefined) this.#allowInterruption();
    const lease = supervisor.tryAcquire(this.#model) ?? (await supervisor.acquire(this.#model, this.#signal()));
    this.#place.lease = lease;
    if (this.#closed) return this.#giveBack('ok');
    this.#loadMs = lease.loadMs;
    this.#place.sentMs = clock.monotonicMs();
    this.#prefixRun = this.#parts.prompts.begin(this.#model, this.#job.workload.prefix);
    this.#exchange = openExchange(guard, lease.connection, { job: this.#job, model: this.#model, sink: this });
    this.#place.ticket?.update(this.#workLeft('prompt'));
    this.#allowInterruption();
  }

  #workLeft(from: 'prompt' | 'first token') {
    const { outputTokensMax } = this.#job.workload;
    return workLeft(this.#predicted(), { from, knowledge: this.#parts.knowledge, outputTokensMax });
  }

  #allowInterruption(): void {
    const { yieldsTo: by, mayPause = false } = this.#job;
    if (by.length === 0 || this.#preempted >= PREEMPTIONS_MAX) return;
    this.#place.allowInterruption({
      ...{ by, mayPause, atOnce: this.#sink.madeWay !== undefined },
      cancelMs: cancelMsOf(this.#predicted(), this.#parts.placeOf(this.#model).ubatch),
      request: () => this.#admission(),
      workLeft: () => this.#workLeft('prompt'),
      leave: (urgent) => this.#leave(urgent),
    });
  }

  // Only while nothing of the answer has gone out. It waits again, with its age; its client sees but a longer wait.
  #leave(by: ModelClass): void {
    const spentMs = this.#place.spentMs();
    const { requestId } = this.#job;
    this.#parts.emit({ kind: 'request.preempted', requestId, model: this.#model, by, spentMs });
    if (this.#sink.madeWay?.(spentMs) === true) return void this.abort();
    this.#preempted += 1;
    this.#lostMs += spentMs;
    this.#exchange?.abort();
    this.#prefixRun?.end({ promptRead: this.#promptRead({}, 'aborted') });
    this.#giveBack('aborted');
    this.#forgetAnswer();
    this.#begin();
  }

  // Made only when something has to be waited for: most requests never need one, and it is not cheap.
  #signal(): AbortSignal {
    this.#cancel ??= new AbortController();
    return this.#cancel.signal;
  }

  #admission(): LaneRequest {
    const model = this.#model;
    const place = this.#parts.placeOf(model);
    return laneRequestOf(this.#job, { model, place, predicted: this.#predicted(), returning: this.#preempted > 0 });
  }

  progress(): Progress | undefined {
    if (this.#closed || this.#committed || this.#tap?.hasContent === true) return undefined;
    return progressOf(this.#parts, {
      ...{ predicted: this.#predicted(), receivedMs: this.#job.receivedMs, waiting: this.#waiting },
      ...{ admittedMs: this.#admittedMs, sentMs: this.#place.sentMs },
    });
  }

  head(status: number, contentType: string): void {
    this.#status = status;
    this.#contentType = contentType;
    if (status === 200 && contentType.startsWith('text/event-stream')) this.#tap = createStreamTap();
  }

  ignored(fields: readonly string[]): void {
    this.#ignored = fields;
  }

  chunk(bytes: Buffer): boolean {
    const tap = this.#tap;
    if (tap === undefined) return this.#holdBack(bytes);
    const hadContent = tap.hasContent;
    const passed = tap.push(bytes);
    if (!hadContent && tap.hasContent) this.#markFirstContent();
    if (passed.length === 0) return true;
    if (!this.#committed) this.#commit();
    return this.#sink.chunk(passed);
  }

  end(): void {
    if (this.#status !== 200) {
      const reply = this.#held.bytes();
      this.#learnRefused(refusedPromptTokens(reply));
      this.#attemptFailed(readEngineError(this.#status, reply, this.#model));
      return;
    }
    const tap = this.#tap;
    if (tap === undefined) this.#finishWhole(this.#held.bytes());
    else if (tap.isComplete) this.#finishStream(tap);
    else this.#attemptFailed(brokenOff(this.#model));
  }

  failed(error: GatewayError): void {
    const tap = this.#tap;
    // The child died after it had said all: the client loses nothing.
    if (tap?.isComplete) this.#finishStream(tap);
    else this.#attemptFailed(error);
  }

  #holdBack(bytes: Buffer): boolean {
    if (this.#held.push(bytes)) return true;
    this.#exchange?.abort();
    this.#attemptFailed(replyTooLong(this.#model));
    return false;
  }

  #markFirstContent(): void {
    this.#ttftMs = this.#parts.clock.monotonicMs() - this.#job.receivedMs;
    this.#place.ticket?.update(this.#workLeft('first token'));
  }

  #commit(): void {
    this.#committed = true;
    if (this.#sink.madeWay === undefined) this.#place.ticket?.allowInterruption(undefined);
    this.#sink.head(this.#model, this.#contentType);
  }

  #finishStream(tap: StreamTap): void {
    const actual = this.#actual(tap.end());
    if (!this.#committed) this.#commit();
    this.#sink.end(tap.finish(this.#xRouter(actual)));
    this.#close(this.#ok(actual, tap.end()), actual, 'ok');
  }

  #finishWhole(bytes: Buffer): void {
    const end = readEnd(bytes.toString('utf8'));
    const actual = this.#actual(end);
    this.#commit();
    this.#sink.end(patchReply(bytes, this.#xRouter(actual)));
    this.#close(this.#ok(actual, end), actual, 'ok');
  }

  #xRouter(actual: Actual): string {
    const served = { model: this.#model, predicted: this.#predicted(), actual, ignored: this.#ignored };
    return encodeXRouter(this.#job, served);
  }

  #predicted(): Prediction {
    return predictedOf(this.#job, this.#model);
  }

  #actual(end: EngineEnd): Actual {
    return actualOf(end, {
      queueMs: this.#queuedMs,
      loadMs: this.#loadMs,
      ttftMs: this.#ttftMs,
      e2eMs: this.#parts.clock.monotonicMs() - this.#job.receivedMs,
      attempts: this.#attempts,
      preempted: this.#preempted > 0 ? this.#preempted : undefined,
      lostMs: this.#preempted > 0 ? this.#lostMs : undefined,
      pausedMs: this.#place.pausedMs || undefined,
    });
  }

  #ok(actual: Actual, end: EngineEnd): Outcome {
    return { kind: 'ok', finishReason: end.finishReason, sloMet: meets(this.#job.workload.slo, actual) };
  }

  #attemptFailed(error: GatewayError): void {
    if (this.#closed) return;
    const next = this.#committed ? undefined : this.#nextCandidate(error);
    if (next === undefined) {
      this.#sink.failed(error);
      this.#close(failedOutcome(error), {}, releaseAfter(error));
      return;
    }
    const from = this.#model;
    this.#prefixRun?.end({ promptRead: 0 });
    this.#giveBack(releaseAfter(error));
    this.#parts.emit({ kind: 'request.retried', requestId: this.#job.requestId, from, to: next, cause: error.message });
    this.#model = next;
    this.#sink.moved(next);
    this.#forgetAnswer();
    this.start();
  }

  #forgetAnswer(): void {
    this.#tap = undefined;
    this.#held = new HeldReply();
    this.#ttftMs = undefined;
    this.#ignored = undefined;
  }

  #nextCandidate(error: GatewayError): ModelId | undefined {
    const contextOf = (model: ModelId) => this.#parts.placeOf(model).contextTokens;
    const tried = { model: this.#model, attempts: this.#attempts, promptTokens: this.#refusedTokens, contextOf };
    return nextCandidate(this.#job, error, tried);
  }

  #learnRefused(promptTokens: number | undefined): void {
    if (promptTokens === undefined) return;
    this.#refusedTokens = promptTokens;
    const { workload } = this.#job;
    const promptChars = hasMedia(workload) ? undefined : workload.promptChars;
    this.#parts.promptRead(this.#model, { promptTokens, promptChars, messageCount: workload.messageCount });
    this.#prefixRun?.end({ promptTokens, promptRead: 0 });
    this.#prefixRun = undefined;
  }

  #close(outcome: Outcome, actual: Actual, how: 'ok' | 'aborted' | 'failed'): void {
    this.#closed = true;
    const { promptTokens, cachedTokens, outputTokens } = actual;
    this.#prefixRun?.end({ promptTokens, cachedTokens, outputTokens, promptRead: this.#promptRead(actual, how) });
    this.#giveBack(how);
    const record = recordOf(this.#job, { model: this.#model, predicted: this.#predicted(), actual, outcome });
    this.#parts.emit({ kind: 'request.finished', record });
    if (outcome.kind === 'ok') tellOf(this.#parts, this.#job.workload, record);
  }

  #promptRead(actual: Actual, how: 'ok' | 'aborted' | 'failed'): number {
    if (actual.promptTokens !== undefined || this.#tap?.hasContent === true) return 1;
    if (how !== 'aborted') return 0;
    return promptReadAfter(this.#place.spentMs(), this.#predicted().prefillMs);
  }

  #giveBack(how: 'ok' | 'aborted' | 'failed'): void {
    this.#exchange = undefined;
    this.#place.giveBack(how);
  }
}
