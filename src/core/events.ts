import type { ModelClass } from './classes.ts';
import type { Candidate, Prediction, Reason, Slo } from './decision.ts';
import type { ErrorCode } from './errors.ts';
import type { RequestFeatures } from './features.ts';
import type { ModelId, RequestId } from './ids.ts';

/** What one request did, for the log, SQLite and `/router/decisions`. Never holds prompt text. */
export type RequestRecord = {
  readonly requestId: RequestId;
  readonly receivedAtMs: number;
  readonly client: string;
  readonly class: ModelClass;
  readonly task: string;
  readonly reasons: readonly Reason[];
  readonly model: ModelId | undefined;
  readonly degraded: boolean;
  readonly reason: string;
  /** What was asked for, in the words of OpenTelemetry's conventions; absent = an answer in words to a chat. */
  readonly operation?: 'embeddings' | 'rerank' | 'text_completion' | undefined;
  /** The caller's span as its `traceparent` header named it (W3C Trace Context). */
  readonly traceParent?: string | undefined;
  /** Targets it was held to. */
  readonly slo?: Slo | undefined;
  /** True when it went to a candidate other than the best, to keep what is known of that one fresh. */
  readonly explored?: boolean | undefined;
  readonly stream: boolean;
  readonly promptChars: number;
  readonly messageCount: number;
  /** True when the prompt held images or audio, whose tokens no count of characters tells. */
  readonly hasMedia: boolean;
  /** What `policy diff` needs to try another policy on it; undefined where recording is off. */
  readonly features?: RequestFeatures | undefined;
  readonly predicted: Prediction | undefined;
  readonly candidates: readonly Candidate[];
  readonly actual: Actual;
  readonly outcome: Outcome;
};

/** How a request ended. */
export type Outcome =
  | { readonly kind: 'ok'; readonly finishReason: string | undefined; readonly sloMet: boolean }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'cancelled' };

/** Measured course of a request, ms; absent where it never got that far. */
export type Actual = {
  readonly queueMs?: number | undefined;
  readonly loadMs?: number | undefined;
  /** Arrival to first content part (gateway's view). */
  readonly ttftMs?: number | undefined;
  readonly e2eMs?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  /** The engine's own timings. */
  readonly prefillMs?: number | undefined;
  readonly decodeMs?: number | undefined;
  /** Attempts made; 2 = one transparent retry. */
  readonly attempts?: number | undefined;
  /** How often it was interrupted for a more urgent request, and the engine's time that was lost by it, ms. */
  readonly preempted?: number | undefined;
  readonly lostMs?: number | undefined;
  /** How long its engine stood still for others, ms; the engine's own times are absent then, for they would count it. */
  readonly pausedMs?: number | undefined;
};

/** Everything that happens; log, metrics and SQLite all read this one stream. */
export type GatewayEvent =
  | { readonly kind: 'request.finished'; readonly record: RequestRecord }
  | {
      /** Refused before it was classified: nobody logged in, what was sent could not be read, no such endpoint. */
      readonly kind: 'request.rejected';
      /** Absent where none was given to it. */
      readonly requestId: RequestId | undefined;
      /** Method and path, shortened. */
      readonly endpoint: string;
      readonly code: ErrorCode;
      /** Field at fault; what stood in it is not told, because it may be part of a prompt. */
      readonly param: string | undefined;
    }
  | {
      readonly kind: 'request.retried';
      readonly requestId: RequestId;
      readonly from: ModelId;
      readonly to: ModelId;
      readonly cause: string;
    }
  | {
      readonly kind: 'request.preempted';
      readonly requestId: RequestId;
      readonly model: ModelId;
      /** Class of the request it made way for. */
      readonly by: ModelClass;
      /** What it had run, ms; done again later. */
      readonly spentMs: number;
    }
  | {
      /** An answer that had begun to repeat itself was broken off: its last `chars` characters repeat `periodChars`. */
      readonly kind: 'request.looped';
      readonly requestId: RequestId;
      readonly model: ModelId;
      readonly periodChars: number;
      readonly chars: number;
    }
  | {
      readonly kind: 'child.state';
      readonly model: ModelId;
      readonly from: string;
      readonly to: string;
      readonly detail: string;
    }
  | { readonly kind: 'child.log'; readonly model: ModelId; readonly line: string }
  | { readonly kind: 'child.evicted'; readonly model: ModelId; readonly for: ModelId; readonly bytes: number }
  | { readonly kind: 'policy.loaded'; readonly file: string; readonly revision: string }
  | { readonly kind: 'policy.rejected'; readonly file: string; readonly message: string }
  | { readonly kind: 'gateway.notice'; readonly level: 'info' | 'warn' | 'error'; readonly message: string };

/** Where events go. Never throws, never blocks. */
export type EmitEvent = (event: GatewayEvent) => void;
