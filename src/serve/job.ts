import type { ModelClass } from '../core/classes.ts';
import type { Clock } from '../core/clock.ts';
import type { Decision, Workload } from '../core/decision.ts';
import type { GatewayError } from '../core/errors.ts';
import type { EmitEvent, RequestRecord } from '../core/events.ts';
import type { RequestFeatures } from '../core/features.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { Progress } from '../core/progress.ts';
import type { Lanes } from '../supervise/lane.ts';
import type { Supervisor } from '../supervise/supervisor-types.ts';
import type { LoopGuard } from './loop-guard.ts';
import type { PromptKnowledge } from './prompt-knowledge.ts';

/** What a run needs of the gateway. */
export type ServeParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly lanes: Lanes;
  /** How answers that had come as far went on. */
  readonly knowledge: Pick<Knowledge, 'remainingTokens'>;
  readonly supervisor: Pick<Supervisor, 'acquire' | 'tryAcquire' | 'isLoaded'>;
  /** Where a model runs, how many generations its child takes at a time, and how long its context is. */
  readonly placeOf: (model: ModelId) => Place;
  /** Told of every prompt that goes to an engine, to know what its cache holds. */
  readonly prompts: Pick<PromptKnowledge, 'begin'>;
  /**
   * Told of a prompt without an answer in words, so that the next estimate is better: one that an engine refused as too
   * long, with its own count, and texts that were embedded or scored, with the time that took.
   */
  readonly promptRead: (model: ModelId, told: ReadPrompt) => void;
  /** Breaks off answers that repeat themselves; absent = never. */
  readonly guard?: LoopGuard | undefined;
  /** Told of every finished generation, to keep the observed profile fresh. */
  readonly observe: (model: ModelId, record: RequestRecord) => void;
};

/** See {@link ServeParts.placeOf}; the context is undefined where the model's file could not be read. */
export type Place = {
  readonly device: string;
  readonly slots: number;
  readonly contextTokens: number | undefined;
  /** Tokens the engine reads before it looks whether the request has been abandoned; undefined = its default. */
  readonly ubatch?: number | undefined;
};

/** See {@link ServeParts.promptRead}; characters are absent where images or audio are part of it. */
export type ReadPrompt = {
  readonly promptTokens?: number | undefined;
  readonly promptChars: number | undefined;
  readonly messageCount: number;
  /** Time the engine took for it, ms. */
  readonly prefillMs?: number | undefined;
};

/** One request that has been classified and decided. */
export type ServeJob = {
  readonly requestId: RequestId;
  readonly client: string;
  /** Monotonic and wall clock at arrival. */
  readonly receivedMs: number;
  readonly receivedAtMs: number;
  /** The caller's span, where its header named one. */
  readonly traceParent?: string | undefined;
  readonly workload: Workload;
  /** Kept with the record; undefined where recording is off. */
  readonly features: RequestFeatures | undefined;
  /** Classes that may interrupt it while its client has seen nothing. */
  readonly yieldsTo: readonly ModelClass[];
  /** True: its engine may be made to stand still for a request to another model. Default: no. */
  readonly mayPause?: boolean;
  readonly decision: Extract<Decision, { kind: 'chosen' }>;
  /** Path at the engine. */
  readonly path: string;
  /** The body for the chosen model. */
  readonly bodyFor: (model: ModelId) => Buffer | string;
};

/** The client's side of a run; the calls come in the order moved? → head → chunk* → (end | failed). */
export interface ServeSink {
  /** Another model takes over, because the chosen one failed before its first byte. */
  moved(model: ModelId): void;
  /** The engine has taken the request; the first byte follows. */
  head(model: ModelId, contentType: string): void;
  /** Returns false when the client reads too slowly. */
  chunk(bytes: Buffer): boolean;
  end(last: Buffer): void;
  failed(error: GatewayError): void;
  /**
   * Somebody more urgent needs its place, after `spentMs` of the engine's time. True: the run is over, nothing more comes.
   * A sink without it is put back into the queue, and only as long as its client has seen nothing.
   */
  madeWay?(spentMs: number): boolean;
}

/** A request on its way. */
export interface RequestRun {
  /** The client has left or cancelled; frees lane and slot as soon as the engine has stopped. */
  abort(): void;
  /** Somebody else cancels it (`DELETE /router/requests/{id}`): like `abort`, and the client is told. */
  cancel(): void;
  /** The client can read again. */
  resume(): void;
  /** How far it has come before its first token; undefined once there is something to read, and after its end. */
  progress(): Progress | undefined;
}
