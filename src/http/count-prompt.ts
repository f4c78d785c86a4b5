import type { ClientPolicy } from '../core/policy.ts';
import type { DecodedGeneration } from '../dialects/codec.ts';
import { toWorkload } from './generation.ts';
import type { HttpParts } from './parts.ts';
import { routeDryRun } from './route-request.ts';

/** Tokens of a request's prompt. */
export type PromptCount = {
  readonly tokens: number;
  /** By whose tokenizer; undefined where no model could be looked at. */
  readonly model: string | undefined;
  /** True where a running child with that tokenizer counted; else estimated from characters. */
  readonly isExact: boolean;
  /** For people: `counted by qwen3.5-4b`, or what the estimate stands on. */
  readonly basis: string;
};

/**
 * Counts a prompt for the model it would be served by, without loading or reserving anything: a question about a length
 * must not cost others a swap. Also for a prompt that is too long to be served. Throws what is wrong with the request.
 */
export async function countPrompt(
  parts: HttpParts,
  { facts, chatBody }: Pick<DecodedGeneration, 'facts' | 'chatBody'>,
  client: ClientPolicy | undefined,
): Promise<PromptCount> {
  await parts.started();
  const { workload, decision } = await routeDryRun(parts, toWorkload(parts, facts, client), chatBody);
  const seen = decision.candidates.filter(({ predicted }) => predicted !== undefined);
  const chosen = decision.kind === 'chosen' ? decision.model : undefined;
  const candidate = seen.find(({ model }) => model === chosen) ?? seen[0];
  const tokenizer =
    candidate === undefined ? undefined : parts.snapshot().models.get(candidate.model)?.facts?.tokenizer;
  const counted = workload.promptCounts?.find(
    (count) => count.tokenizer === tokenizer && count.chars === workload.promptChars,
  );
  if (counted !== undefined) {
    return { tokens: counted.tokens, model: candidate?.model, isExact: true, basis: counted.basis };
  }
  const predicted = candidate?.predicted;
  return {
    tokens: Math.round(predicted?.promptTokens ?? workload.promptChars / CHARS_PER_TOKEN),
    model: candidate?.model,
    isExact: false,
    basis: predicted?.promptTokensBasis ?? `${CHARS_PER_TOKEN} characters to a token`,
  };
}

/** Where no model has been looked at: prose under the Qwen and Llama vocabularies has 3 to 4.5. */
const CHARS_PER_TOKEN = 3.6;
