import type { Workload } from '../core/decision.ts';
import type { Knowledge, OutputKey } from '../core/knowledge.ts';

/** How many tokens the answer of one kind of model is expected to have. */
export type OutputGuess = {
  readonly key: OutputKey;
  /** At the class's quantile, at most what the client allows. At least 1. */
  readonly tokens: number;
  /** The middle of what is expected, at most `tokens`. */
  readonly medianTokens: number;
  readonly basis: string;
};

/** The part of a class's policy that speaks of output length. */
export type OutputPrior = { readonly quantile: number; readonly outputTokens: number };

/** Spread of answer lengths before any was seen: sigma of their logarithm, as the routing study simulated. */
const LOG_SPREAD = 0.8;

/**
 * Output length of a request on models of one family: the learned quantile of its class, task, family and thinking, else
 * the policy's prior; never more than `max_tokens`. The median of the prior follows from a log-normal of sigma 0.8.
 */
export function guessOutput(
  workload: Workload,
  knowledge: Knowledge,
  asked: { readonly key: OutputKey; readonly prior: OutputPrior; readonly quantile: number },
): OutputGuess {
  const { key, prior, quantile } = asked;
  const learned = knowledge.outputTokens(key, quantile, prior.outputTokens);
  const tokens = atLeastOne(learned?.tokens ?? prior.outputTokens);
  const median =
    learned === undefined ? priorMedian(prior) : knowledge.outputTokens(key, 0.5, priorMedian(prior))?.tokens;
  const medianTokens = Math.min(tokens, atLeastOne(median ?? tokens));
  const { outputTokensMax } = workload;
  if (outputTokensMax !== undefined && outputTokensMax <= tokens) {
    const bound = Math.max(1, outputTokensMax);
    return { key, tokens: bound, medianTokens: Math.min(bound, medianTokens), basis: 'max_tokens' };
  }
  const percentile = `p${Math.round((learned === undefined ? prior.quantile : quantile) * 100)}`;
  const basis =
    learned === undefined ? `class ${workload.class} ${percentile}, policy` : `${percentile}, ${learned.basis}`;
  return { key, tokens, medianTokens, basis };
}

const atLeastOne = (tokens: number): number => Math.max(1, Math.round(tokens));

// z of a quantile by the logistic curve, within 0.03 of the normal one between p50 and p95.
const priorMedian = ({ quantile, outputTokens }: OutputPrior): number =>
  outputTokens * Math.exp((-LOG_SPREAD * Math.log(quantile / (1 - quantile))) / 1.702);
