import type { ClientPolicy } from '../core/client-policy.ts';
import { type RecordedAnswers, type TestKind, testKey } from '../core/features.ts';
import type { RuleCondition } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { estimatePromptTokens } from './shape.ts';

/** What a rule may look at. */
export type RuleSubject = {
  readonly facts: RequestFacts;
  readonly client: ClientPolicy | undefined;
  readonly task: string;
};

/**
 * Text given to an operator's regular expression is cut to this many UTF-16 units, so that an expression with
 * polynomial backtracking costs milliseconds on a long prompt, not minutes.
 */
const REGEX_INPUT_CHARS_MAX = 4000;

/** One line on why the condition holds (all of it must), or undefined where it does not. An empty condition always holds. */
export function matchRule(condition: RuleCondition, subject: RuleSubject): string | undefined {
  const evidence: string[] = [];
  const holds =
    matchNumbers(condition, subject, evidence) &&
    matchTexts(condition, subject, evidence) &&
    matchHeader(condition, subject, evidence) &&
    matchFacts(condition, subject, evidence);
  if (!holds) return undefined;
  return evidence.length === 0 ? 'always' : evidence.join(', ');
}

function matchNumbers(condition: RuleCondition, { facts }: RuleSubject, evidence: string[]): boolean {
  const { maxTokensLte, maxTokensGte, promptTokensLte, promptTokensGte } = condition;
  if (!withinBounds('max_tokens', facts.maxTokens, maxTokensLte, maxTokensGte, evidence)) return false;
  if (promptTokensLte === undefined && promptTokensGte === undefined) return true;
  return withinBounds('prompt tokens', estimatePromptTokens(facts), promptTokensLte, promptTokensGte, evidence);
}

function withinBounds(
  name: string,
  value: number | undefined,
  most: number | undefined,
  least: number | undefined,
  evidence: string[],
): boolean {
  if (most === undefined && least === undefined) return true;
  if (value === undefined) return false;
  if (most !== undefined && value > most) return false;
  if (least !== undefined && value < least) return false;
  if (most !== undefined) evidence.push(`${name} ${value} <= ${most}`);
  if (least !== undefined) evidence.push(`${name} ${value} >= ${least}`);
  return true;
}

function matchTexts(condition: RuleCondition, { facts }: RuleSubject, evidence: string[]): boolean {
  const { systemMatches, lastUserMatches } = condition;
  if (systemMatches !== undefined) {
    if (!textHolds('system', systemMatches, facts)) return false;
    evidence.push(`system text matches ${systemMatches}`);
  }
  if (lastUserMatches !== undefined) {
    if (!textHolds('last user', lastUserMatches, facts)) return false;
    evidence.push(`last user message matches ${lastUserMatches}`);
  }
  return true;
}

function matchHeader(condition: RuleCondition, { facts }: RuleSubject, evidence: string[]): boolean {
  const wanted = condition.header;
  if (wanted === undefined) return true;
  if (!headerHolds(wanted, facts)) return false;
  evidence.push(`header ${wanted.name} ${wanted.equals === undefined ? 'fits' : `is ${wanted.equals}`}`);
  return true;
}

/** True when the system text or the last user message matches. */
export function textHolds(kind: 'system' | 'last user', pattern: RegExp, facts: RequestFacts): boolean {
  if (facts.recorded !== undefined) return recall(facts.recorded, kind, String(pattern));
  return testBounded(pattern, kind === 'system' ? facts.systemText : facts.lastUserText);
}

/** True when the request carries the header and its value is as wanted. */
export function headerHolds(wanted: NonNullable<RuleCondition['header']>, facts: RequestFacts): boolean {
  if (facts.recorded !== undefined) return recall(facts.recorded, 'header', describeHeaderTest(wanted));
  const value = facts.header(wanted.name.toLowerCase());
  if (value === undefined) return false;
  if (wanted.equals !== undefined && value !== wanted.equals) return false;
  return wanted.matches === undefined || testBounded(wanted.matches, value);
}

function matchFacts(condition: RuleCondition, subject: RuleSubject, evidence: string[]): boolean {
  const { facts, client, task } = subject;
  return (
    equals('client', condition.client, client?.name, evidence) &&
    equals('stream', condition.stream, facts.stream, evidence) &&
    equals('tools', condition.hasTools, facts.toolCount > 0 || facts.inToolLoop, evidence) &&
    equals('images', condition.hasImages, facts.imageCount > 0, evidence) &&
    equals('task', condition.task, task, evidence)
  );
}

function equals<Value>(
  name: string,
  wanted: Value | undefined,
  actual: Value | undefined,
  evidence: string[],
): boolean {
  if (wanted === undefined) return true;
  if (wanted !== actual) return false;
  evidence.push(`${name} is ${wanted}`);
  return true;
}

/** A header test in words, for its key: `x-purpose = background`, `x-purpose ~ /^back/`, `x-purpose given`. */
export function describeHeaderTest({ name, equals, matches }: NonNullable<RuleCondition['header']>): string {
  const parts = [...(equals === undefined ? [] : [`= ${equals}`]), ...(matches === undefined ? [] : [`~ ${matches}`])];
  return `${name.toLowerCase()} ${parts.length === 0 ? 'given' : parts.join(' ')}`;
}

// Of a recorded request only the answers are left. A test nobody put then counts as not held, and is noted.
function recall(recorded: RecordedAnswers, kind: TestKind, condition: string): boolean {
  const key = testKey(kind, condition);
  const answer = recorded.tests[key];
  if (answer === undefined) recorded.unanswered.add(key);
  return answer ?? false;
}

// Cut to 4,000 UTF-16 units. Patterns come from the policy's parser, without the g and y flags, so that a test leaves no
// state behind.
function testBounded(pattern: RegExp, text: string): boolean {
  return pattern.test(text.length > REGEX_INPUT_CHARS_MAX ? text.slice(0, REGEX_INPUT_CHARS_MAX) : text);
}
