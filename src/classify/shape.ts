import type { ModelClass } from '../core/classes.ts';
import type { Reason } from '../core/decision.ts';
import type { RequestFacts } from '../core/request.ts';

/**
 * An answer this short is a label, a title or a yes: nobody reads it as prose. Same bound as the example policy's
 * first rule (`max_tokens_lte: 32`).
 */
const ROUTE_OUTPUT_TOKENS_MAX = 32;
/**
 * A streamed prompt below this many tokens is a person waiting at a screen: the 4B model reads 800 tokens in about
 * 80 s on the reference board (9.73 tok/s), four times the interactive TTFT target.
 */
const SHORT_PROMPT_TOKENS = 800;
/**
 * UTF-16 units per token where no model has been asked: English and German prose under the Qwen and Llama
 * vocabularies lie between 3 and 4.5; the same default that prediction uses.
 */
const CHARS_PER_TOKEN = 3.6;
/** How much of the instructions is searched for the prompts that chat front ends send in the background. */
const FINGERPRINT_CHARS = 1200;

// Chat front ends ask for titles, tags and follow-up questions with ordinary chat requests, often without max_tokens.
// Each expression is linear: no nested quantifier, gaps bounded.
const BACKGROUND_PROMPTS: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  {
    name: 'title generation',
    pattern:
      /\b(?:generate|create|write|provide|suggest|give|come up with)\b[^.\n]{0,60}\btitle\b[^.\n]{0,60}\b(?:conversation|chat|dialogue|discussion|thread)\b/i,
  },
  { name: 'title generation', pattern: /\btitle for (?:this|the) (?:conversation|chat|thread)\b/i },
  {
    name: 'title generation',
    pattern: /\btitel f(?:\u00fc|ue)r (?:diese|dieses|die|das|den) (?:unterhaltung|gespr\u00e4ch|chat)\b/i,
  },
  { name: 'tag generation', pattern: /\bgenerate\b[^.\n]{0,40}\btags\b[^.\n]{0,60}\b(?:conversation|chat|history)\b/i },
  {
    name: 'memory extraction',
    pattern: /\bextract\b[^.\n]{0,60}\b(?:memories|facts about the user|user preferences)\b/i,
  },
];

// One of these stands in everything the expressions above find: nearly every other prompt is told by one look, not by ten.
const BACKGROUND_WORDS = /tit(?:le|el)|tags|memories|facts about|preferences/i;

/**
 * Class by shape, when neither client, key nor policy said anything: a bounded answer of at most 32 tokens or a known
 * background prompt → route. Undefined where the shape says nothing.
 */
export function classOfShape(facts: RequestFacts, reasons: Reason[]): ModelClass | undefined {
  if (facts.maxTokens !== undefined && facts.maxTokens <= ROUTE_OUTPUT_TOKENS_MAX) {
    reasons.push({ rule: 'shape', detail: `max_tokens ${facts.maxTokens} <= ${ROUTE_OUTPUT_TOKENS_MAX}` });
    return 'route';
  }
  const background = backgroundPrompt(facts);
  if (background !== undefined) {
    reasons.push({ rule: 'shape', detail: `looks like ${background}` });
    return 'route';
  }
  return undefined;
}

/** Prompt tokens guessed from characters, for rules and shape; prediction uses each model's own ratio. */
export const estimatePromptTokens = (facts: RequestFacts): number => Math.ceil(facts.promptChars / CHARS_PER_TOKEN);

/** Kind of a prompt that chat front ends send in the background, e.g. `title generation`; undefined for any other. */
export function backgroundPrompt(facts: RequestFacts): string | undefined {
  if (facts.recorded !== undefined) return facts.recorded.background ? 'a background prompt' : undefined;
  const system = facts.systemText.slice(0, FINGERPRINT_CHARS);
  const user = facts.lastUserText.slice(0, FINGERPRINT_CHARS);
  if (!BACKGROUND_WORDS.test(system) && !BACKGROUND_WORDS.test(user)) return undefined;
  for (const { name, pattern } of BACKGROUND_PROMPTS) {
    if (pattern.test(system) || pattern.test(user)) return name;
  }
  return undefined;
}

/** What the shape of a request looks like that gets the default class, `interactive`. */
export function describeInteractive(facts: RequestFacts): string {
  const promptTokens = estimatePromptTokens(facts);
  if (facts.stream && promptTokens < SHORT_PROMPT_TOKENS) return `streamed, about ${promptTokens} prompt tokens`;
  return `no hint, about ${promptTokens} prompt tokens: interactive by default`;
}
