import type { CountedPrompt, Workload } from '../core/decision.ts';
import type { Profile, Provenance } from '../core/profile.ts';

/** Tokens of a prompt, and how they are known, for people. */
export type PromptTokens = { readonly tokens: number; readonly basis: string };

/** UTF-16 units per prompt token where a model's own ratio is not known; between English prose (4) and code (3). */
export const CHARS_PER_TOKEN = 3.6;
/** What a ChatML-like template adds to one message: start mark, role, line feed, end mark, line feed. */
const MESSAGE_TOKENS = 5;

/**
 * Tokens of a prompt for a model with this tokenizer, at least 1: counted where somebody counted, as far as that goes;
 * the rest by the model's characters per token, else by the default of 3.6.
 */
export function promptTokensOf(workload: Workload, profile: Profile, tokenizer: string | undefined): PromptTokens {
  if (workload.promptTokensExact !== undefined) return { tokens: workload.promptTokensExact, basis: 'counted' };
  const counted = tokenizer === undefined ? undefined : countOf(workload, tokenizer);
  return counted === undefined ? estimate(workload, profile) : goOnFrom(counted, workload, profile);
}

function countOf({ promptCounts }: Workload, tokenizer: string): CountedPrompt | undefined {
  if (promptCounts === undefined) return undefined;
  for (const counted of promptCounts) if (counted.tokenizer === tokenizer) return counted;
  return undefined;
}

function goOnFrom(counted: CountedPrompt, { promptChars, prefix }: Workload, profile: Profile): PromptTokens {
  const chars = promptChars - counted.chars;
  const messages = (prefix?.messages.at(-1) ?? counted.messages) - counted.messages;
  if (chars <= 0 && messages <= 0) return { tokens: counted.tokens, basis: counted.basis };
  const rest = Math.max(0, chars) / (profile.charsPerToken?.value ?? CHARS_PER_TOKEN) + MESSAGE_TOKENS * messages;
  return { tokens: counted.tokens + Math.ceil(rest), basis: `first ${counted.tokens} ${counted.basis}, then chars` };
}

// tokens = chars / charsPerToken + templateTokens: one line through what was seen. A ratio without an intercept was taken
// over whole prompts, template included; only where neither is known does the template count by message.
function estimate(workload: Workload, { charsPerToken, templateTokens }: Profile): PromptTokens {
  if (charsPerToken === undefined) {
    const template = templateTokens?.value ?? MESSAGE_TOKENS * workload.messageCount;
    const tokens = Math.max(1, Math.ceil(workload.promptChars / CHARS_PER_TOKEN + template));
    return { tokens, basis: DEFAULT_BASIS };
  }
  const tokens = Math.ceil(workload.promptChars / charsPerToken.value + (templateTokens?.value ?? 0));
  return { tokens: Math.max(1, tokens), basis: basisOf(charsPerToken.provenance, charsPerToken.n) };
}

const DEFAULT_BASIS = `${CHARS_PER_TOKEN} chars per token, default`;
// One text per provenance and number of prompts, not one per candidate and request.
const bases = new Map<string, Map<number, string>>();

function basisOf(provenance: Provenance, n: number): string {
  let byCount = bases.get(provenance);
  if (byCount === undefined) {
    byCount = new Map();
    bases.set(provenance, byCount);
  }
  let basis = byCount.get(n);
  if (basis === undefined) {
    basis = n > 0 ? `chars per token, ${provenance} n=${n}` : `chars per token, ${provenance}`;
    if (byCount.size < BASES_MAX) byCount.set(n, basis);
  }
  return basis;
}

const BASES_MAX = 1_000;
