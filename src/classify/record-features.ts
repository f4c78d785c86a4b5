import { isModelClass, type Task } from '../core/classes.ts';
import { type RequestFeatures, testKey } from '../core/features.ts';
import type { Policy, RuleCondition } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { resolveModelName } from './model-name.ts';
import { describeHeaderTest, headerHolds, textHolds } from './rules.ts';
import { backgroundPrompt } from './shape.ts';

/**
 * What is kept of a request for `policy diff`, see {@link RequestFeatures}. Puts every text and header test of the
 * policy's rules to the request once, also those behind the rule that decided: another policy may ask in another order.
 */
export function recordFeatures(facts: RequestFacts, policy: Policy, task: Task): RequestFeatures {
  return {
    model: knownName(facts.model, policy),
    classHint: facts.classHint !== undefined && isModelClass(facts.classHint.value) ? facts.classHint : undefined,
    stream: facts.stream,
    promptChars: facts.promptChars,
    messageCount: facts.messageCount,
    imageCount: facts.imageCount,
    audioCount: facts.audioCount,
    toolCount: facts.toolCount,
    inToolLoop: facts.inToolLoop,
    responseFormat: facts.responseFormat,
    logprobs: facts.logprobs,
    maxTokens: facts.maxTokens,
    reasoningEffort: knownWord(facts.reasoningEffort, EFFORTS),
    serviceTier: knownWord(facts.serviceTier, TIERS),
    sloTtftMs: facts.sloTtftMs,
    sloE2eMs: facts.sloE2eMs,
    tests: testsOf(facts, policy),
    background: backgroundPrompt(facts) !== undefined,
    task,
    guess: facts.guess,
  };
}

// A client may write anything there, also what it should not: only names that mean something here are kept.
function knownName(name: string, policy: Policy): string {
  if (name === 'auto' || (name.startsWith('auto:') && isModelClass(name.slice('auto:'.length)))) return name;
  return resolveModelName(name, policy) === undefined ? 'unknown' : name;
}

const EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
const TIERS: ReadonlySet<string> = new Set(['auto', 'default', 'flex', 'priority']);

const knownWord = (word: string | undefined, known: ReadonlySet<string>): string | undefined =>
  word !== undefined && known.has(word) ? word : undefined;

const NO_TESTS: RequestFeatures['tests'] = Object.freeze({});

function testsOf(facts: RequestFacts, policy: Policy): RequestFeatures['tests'] {
  if (policy.classify.rules.length === 0) return NO_TESTS;
  const tests: Record<string, boolean> = {};
  for (const { when } of policy.classify.rules) putTests(when, facts, tests);
  return tests;
}

function putTests(condition: RuleCondition, facts: RequestFacts, tests: Record<string, boolean>): void {
  const { systemMatches, lastUserMatches, header } = condition;
  if (systemMatches !== undefined) {
    tests[testKey('system', String(systemMatches))] ??= textHolds('system', systemMatches, facts);
  }
  if (lastUserMatches !== undefined) {
    tests[testKey('last user', String(lastUserMatches))] ??= textHolds('last user', lastUserMatches, facts);
  }
  if (header !== undefined) tests[testKey('header', describeHeaderTest(header))] ??= headerHolds(header, facts);
}
