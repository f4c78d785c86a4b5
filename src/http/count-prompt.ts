import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { RequestFacts } from '../core/request.ts';
import { promptTokensOf } from '../route/prompt-tokens.ts';
import { toWorkload } from './generation.ts';
import type { HttpParts } from './parts.ts';
import { type ChatBody, type Routed, routeDryRun } from './route-request.ts';

/** Tokens of a request's prompt. */
export type PromptCount = {
  readonly tokens: number;
  /** The model that would answer, whose tokens these are. */
  readonly model: ModelId;
  /** False where no child with its tokenizer is up, so that it is estimated from characters. */
  readonly isExact: boolean;
  /** For people: `counted by qwen3.5-4b`, or what the estimate stands on. */
  readonly basis: string;
};

/**
 * Counts a prompt for the model it would be served by, without loading or reserving anything: a question about a length
 * must not cost others a swap. Throws what is wrong with the request.
 */
export async function countPrompt(
  parts: HttpParts,
  { facts, chatBody }: { readonly facts: RequestFacts; readonly chatBody: ChatBody },
  client: ClientPolicy | undefined,
): Promise<PromptCount> {
  await parts.started();
  const guessed = { ...facts, guess: await parts.classifier.guess(facts) };
  const routed = await routeDryRun(parts, toWorkload(parts, guessed, client), chatBody);
  const model = countingModel(routed);
  const tokenizer = parts.supervisor.views().get(model)?.facts?.tokenizer;
  const { tokens, basis } = promptTokensOf(routed.workload, parts.profileOf(model), tokenizer);
  return { tokens: Math.round(tokens), model, basis, isExact: basis.startsWith('counted') };
}

// A prompt that nobody could take now, because it is too long for instance, has a length all the same.
function countingModel({ workload, decision }: Routed): ModelId {
  if (decision.kind === 'chosen') return decision.model;
  const model = workload.pinnedModel ?? decision.candidates[0]?.model;
  if (model !== undefined) return model;
  throw new GatewayError(decision.refusal.code, decision.refusal.message);
}
