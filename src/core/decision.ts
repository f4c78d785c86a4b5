import type { ModelClass, Task } from './classes.ts';
import type { ModelId } from './ids.ts';
import type { OutputKey } from './knowledge.ts';
import type { Capabilities } from './policy.ts';
import type { PrefixMarks } from './prefix-marks.ts';
import type { Provenance } from './profile.ts';
import type { ServiceModel } from './service-model.ts';

/** A step of the reasoning, for people: `rule` names what decided, `detail` the value it saw. */
export type Reason = { readonly rule: string; readonly detail: string };

/** What a request asks of the machine, after classification. Everything `decide` may look at. */
export type Workload = {
  readonly class: ModelClass;
  readonly task: Task;
  readonly reasons: readonly Reason[];
  /** A model the client insists on (id resolved from alias, friendly name or file name). */
  readonly pinnedModel: ModelId | undefined;
  /** Models the client may use; undefined = all. */
  readonly openModels?: readonly ModelId[] | undefined;
  /** UTF-16 units of all message text; tokens are this over a model's `charsPerToken`. */
  readonly promptChars: number;
  readonly messageCount: number;
  /** Fingerprints of the prompt's beginnings, for what a model's cache may hold of it. */
  readonly prefix?: PrefixMarks | undefined;
  /** Tokens the client says exist already (an exact count), when it was asked for. */
  readonly promptTokensExact: number | undefined;
  /** Counts of the prompt or of its beginning, one for each tokenizer that has counted. */
  readonly promptCounts?: readonly CountedPrompt[] | undefined;
  /** The client's bound on output, after the client policy's cap. */
  readonly outputTokensMax: number | undefined;
  readonly needs: Partial<Capabilities>;
  readonly stream: boolean;
  /** Targets of the class, possibly overridden by the request's headers. */
  readonly slo: Slo;
  readonly minQuality: number;
  /** This request's own number in [0, 1), by which it may try the second best model; absent = it never does. */
  readonly draw?: number | undefined;
};

/** Tokens of a prompt, or of its beginning, counted and not estimated. */
export type CountedPrompt = {
  /** Holds for models with this `ModelFacts.tokenizer`. */
  readonly tokenizer: string;
  readonly tokens: number;
  /** UTF-16 units and messages that were counted (tools count as one): less than the prompt's where it has grown since. */
  readonly chars: number;
  readonly messages: number;
  /** Who counted: `counted by qwen3.5-4b`. */
  readonly basis: string;
};

/** Latency targets, ms from arrival; undefined = no target. */
export type Slo = {
  readonly ttftMs: number | undefined;
  readonly e2eMs: number | undefined;
  readonly source: string;
};

/**
 * Predicted course of a request on one model, ms. Times are corrected by what traffic has taught of the model. The
 * parts (`waitMs` to `decodeMs`) add up to the promise before its conformal factor; `ttftMs` and `e2eMs` are the promise.
 */
export type Prediction = {
  readonly promptTokens: number;
  readonly promptTokensBasis: string;
  /** Of the prompt tokens, those the child still has in its cache and need not read again. */
  readonly cachedTokens: number;
  /** Output length at `quantile`, and the middle of what is expected. */
  readonly outputTokens: number;
  readonly outputTokensMedian: number;
  readonly outputTokensBasis: string;
  /** What lengths are grouped by, for whoever learns from the outcome. */
  readonly outputKey: OutputKey;
  readonly waitMs: number;
  /** There where it would interrupt work that is running. */
  readonly interrupts?: true | undefined;
  /** Load of the model, eviction of others included. */
  readonly loadMs: number;
  readonly prefillMs: number;
  /** At `outputTokens`. */
  readonly decodeMs: number;
  /** The promise: at most so long with probability `quantile`. */
  readonly ttftMs: number;
  readonly e2eMs: number;
  /** Share of answers the promise is to cover, 0..1. */
  readonly quantile: number;
  /** The promise before the class's conformal factor; the learner compares it with what came of it. */
  readonly uncorrectedTtftMs: number;
  readonly uncorrectedE2eMs: number;
  /** Expected: with the median output, without the conformal factor. */
  readonly e2eMedianMs: number;
  /** Decode time of the median output, ms; with load and prefill the work others must wait for. */
  readonly decodeMedianMs: number;
  /** What the benchmarked times were multiplied by, and whether the device is slower than its profile. */
  readonly calibration: {
    readonly prefill: number;
    readonly decode: number;
    readonly n: number;
    readonly drift: 'none' | 'drifting';
  };
  /** Slowdown by what runs on other devices now; 1 = none known. */
  readonly coRun: { readonly prefill: number; readonly decode: number };
  /** The service model before any correction. */
  readonly service: ServiceModel;
  /** The least trusted provenance among the figures used; one step less trusted where the profile is stale. */
  readonly basis: Provenance;
};

/** One model looked at: what it would do and, unless chosen, why it lost. */
export type Candidate = {
  readonly model: ModelId;
  readonly device: string;
  /** Lower bound of its quality at the task, where measured; else the policy's prior. */
  readonly quality: number;
  readonly predicted: Prediction | undefined;
  readonly feasible: boolean;
  /** Quality less the price of congestion and load; what feasible candidates are ranked by. Undefined where blocked. */
  readonly utility: number | undefined;
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
      /** Worked out when they are read where the choice was made {@link alone}. */
      readonly candidates: readonly Candidate[];
      /** The chosen one, where it was taken without weighing the others; nobody could have beaten it. */
      readonly alone?: Candidate | undefined;
      /** True when no candidate met the targets and the class allows to go on. */
      readonly degraded: boolean;
      /** True when a candidate other than the best was taken, to keep what is known of it fresh. */
      readonly explored: boolean;
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
