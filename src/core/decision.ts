import type { ModelClass, Task } from './classes.ts';
import type { ModelId } from './ids.ts';
import type { Capabilities } from './policy.ts';
import type { PrefixMarks } from './prefix-marks.ts';
import type { Provenance } from './profile.ts';

/** A step of the reasoning, for people: `rule` names what decided, `detail` the value it saw. */
export type Reason = { readonly rule: string; readonly detail: string };

/** What a request asks of the machine, after classification. Everything `decide` may look at. */
export type Workload = {
  readonly class: ModelClass;
  readonly task: Task;
  readonly reasons: readonly Reason[];
  /** A model the client insists on (id resolved from alias, friendly name or file name). */
  readonly pinnedModel: ModelId | undefined;
  /** UTF-16 units of all message text; tokens are this over a model's `charsPerToken`. */
  readonly promptChars: number;
  readonly messageCount: number;
  /** Fingerprints of the prompt's beginnings, for what a model's cache may hold of it. */
  readonly prefix?: PrefixMarks | undefined;
  /** Tokens the client says exist already (an exact count), when it was asked for. */
  readonly promptTokensExact: number | undefined;
  /** The client's bound on output, after the client policy's cap. */
  readonly outputTokensMax: number | undefined;
  readonly needs: Partial<Capabilities>;
  readonly stream: boolean;
  /** Targets of the class, possibly overridden by the request's headers. */
  readonly slo: Slo;
  readonly minQuality: number;
};

/** Latency targets, ms from arrival; undefined = no target. */
export type Slo = {
  readonly ttftMs: number | undefined;
  readonly e2eMs: number | undefined;
  readonly source: string;
};

/** Predicted course of a request on one model, ms. */
export type Prediction = {
  readonly promptTokens: number;
  readonly promptTokensBasis: string;
  readonly outputTokens: number;
  readonly outputTokensBasis: string;
  readonly waitMs: number;
  readonly loadMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly ttftMs: number;
  readonly e2eMs: number;
  /** The least trusted provenance among the figures used. */
  readonly basis: Provenance;
};

/** One model looked at: what it would do and, unless chosen, why it lost. */
export type Candidate = {
  readonly model: ModelId;
  readonly device: string;
  readonly quality: number;
  readonly predicted: Prediction | undefined;
  readonly feasible: boolean;
  /** ASCII, one line, with the figures: `e2e 121 s > 45 s`. For the chosen one: why it won. */
  readonly reason: string;
};

/** The answer to "which model": chosen, or refused with a code the edge understands. */
export type Decision =
  | {
      readonly kind: 'chosen';
      readonly model: ModelId;
      readonly device: string;
      readonly predicted: Prediction;
      readonly candidates: readonly Candidate[];
      /** True when no candidate met the targets and the class allows to go on. */
      readonly degraded: boolean;
      /** One ASCII line for `x-router-reason`. */
      readonly reason: string;
      /** Next best candidates in order, for one retry before the first byte. */
      readonly fallbacks: readonly ModelId[];
    }
  | {
      readonly kind: 'refused';
      readonly candidates: readonly Candidate[];
      readonly refusal: Refusal;
    };

/** Why nobody was chosen. */
export type Refusal = {
  readonly code:
    | 'no_usable_model'
    | 'model_unavailable'
    | 'context_length_exceeded'
    | 'unsupported_feature'
    | 'deadline_unreachable'
    | 'outside_window';
  readonly message: string;
  readonly retryAfterMs: number | undefined;
};
