import type { Capabilities } from './policy.ts';

/** Where a figure came from, most trusted first. Shown with every figure, never mixed silently. */
export const PROVENANCES = ['measured', 'observed', 'imported', 'reference', 'estimated'] as const;
/** One of {@link PROVENANCES}. */
export type Provenance = (typeof PROVENANCES)[number];

/** Rank of trust: 0 is trusted most. */
export const provenanceRank = (provenance: Provenance): number => PROVENANCES.indexOf(provenance);

/** One number with where it came from. */
export type Figure = {
  readonly value: number;
  readonly provenance: Provenance;
  /** Samples behind it; 0 where unknown (reference, estimated). */
  readonly n: number;
  /** 95 % interval of the median, where there were samples enough. */
  readonly low?: number;
  readonly high?: number;
  /** One line a person can follow up: run id, table, formula. */
  readonly source: string;
  /** ISO time of the measurement, where known. */
  readonly at?: string;
  /** Id of the machine state it was measured in; absent for figures that were not measured, or long ago. */
  readonly fingerprint?: string;
};

/** The metrics a profile is made of; rows in the store carry these names. */
export const PROFILE_METRICS = [
  'prefillTokensPerSec',
  'prefillFixedMs',
  'prefillContextMs',
  'decodeTokensPerSec',
  'decodeContextMs',
  'loadMs',
  'loadColdMs',
  'unloadMs',
  'peakMemoryBytes',
  'charsPerToken',
  'templateTokens',
  'quality.chat',
  'quality.qa',
  'quality.summarize',
  'quality.extract',
  'quality.rewrite',
  'quality.code',
  'quality.reasoning',
  'quality.creative',
  'degenerateAnswers',
  'perplexity',
  'klDivergence',
  'sameTopToken',
] as const;
/**
 * One of {@link PROFILE_METRICS}. `prefillFixedMs` is the part of TTFT that does not grow with the prompt;
 * `prefillContextMs` and `decodeContextMs` are ms per token and token of context (beta and delta of `ServiceModel`);
 * `loadMs` is a load with the file in the page cache, `loadColdMs` one from storage, `unloadMs` the time until a stopped
 * child has given its memory back; `quality.<task>` is the share of test items answered right (0..1), weighed
 * against the policy's prior by `route/quality.ts`; `degenerateAnswers` is the share of answers that had fallen apart; `perplexity`, `klDivergence` and
 * `sameTopToken` are taken over from llama-perplexity and only shown; `charsPerToken` counts UTF-16 units of message text per prompt token; `templateTokens` is what
 * the chat template adds to an empty message.
 */
export type ProfileMetric = (typeof PROFILE_METRICS)[number];

/** Best known figures of one model on this machine; a missing metric is absent, never zero. */
export type Profile = Readonly<Partial<Record<ProfileMetric, Figure>>>;

/** Chooses per metric the most trusted figure; equal trust goes to the later `at`, then to the larger n. */
export function resolveProfile(rows: Iterable<{ readonly metric: ProfileMetric; readonly figure: Figure }>): Profile {
  const best: Partial<Record<ProfileMetric, Figure>> = {};
  for (const { metric, figure } of rows) {
    const current = best[metric];
    if (current === undefined || isBetter(figure, current)) best[metric] = figure;
  }
  return best;
}

function isBetter(candidate: Figure, current: Figure): boolean {
  const byTrust = provenanceRank(candidate.provenance) - provenanceRank(current.provenance);
  if (byTrust !== 0) return byTrust < 0;
  const byTime = (candidate.at ?? '').localeCompare(current.at ?? '');
  return byTime === 0 ? candidate.n > current.n : byTime > 0;
}

/** What is known of a model's file before it runs. */
export type ModelFacts = {
  /** Weights on disk, bytes. */
  readonly weightsBytes: number;
  /** Parameters, in billions; undefined when neither metadata nor name tells. */
  readonly parametersBillion: number | undefined;
  readonly quantization: string | undefined;
  readonly architecture: string | undefined;
  /** Longest context the model was made for, tokens. */
  readonly trainedContext: number | undefined;
  /** Context length it will be (or is) started with, tokens: prompt + output of one slot. */
  readonly contextTokens: number;
  /** Memory formula, bytes: weights + KV cache + compute buffers. Used until a peak has been measured. */
  readonly estimatedMemoryBytes: number;
  readonly capabilities: Capabilities;
  /** Where each capability is known from, for people; absent where a runtime kind does not say. */
  readonly capabilitySources?: CapabilitySources | undefined;
  /** Models with equal values cut text into the same tokens; absent where that is not known. */
  readonly tokenizer?: string | undefined;
  /** How the engine keeps keys and values for the next prompt; absent where it keeps none or that is not known. */
  readonly prefixCache?: PrefixCacheFacts | undefined;
};

/** One line each: `chat template mentions tools`, `/props of the running child`, `declared in the policy`. */
export type CapabilitySources = { readonly [Name in keyof Capabilities]?: string };

/** How an engine keeps keys and values from one prompt to the next. */
export type PrefixCacheFacts = {
  /** Prompts held where generations run, one for each. */
  readonly slots: number;
  /** Cap of a second cache, for prompts that had to leave their slot, bytes; 0 where there is none. */
  readonly ramBytes: number;
  readonly bytesPerToken: number;
  /**
   * What of a held prompt can be used again:
   * `anywhere`     everything up to the first token that differs (plain attention)
   * `checkpoints`  up to the last checkpoint before that token (recurrent and sliding-window layers cannot go back)
   * `append`       all of it, answer included, or nothing (RKLLM's keep_history)
   */
  readonly reuse: 'anywhere' | 'checkpoints' | 'append';
  /** Distance of checkpoints, tokens; of no meaning for the others. */
  readonly checkpointStep: number;
};
