import type { ModelClass, Task } from '../core/classes.ts';
import type { Reason } from '../core/decision.ts';
import type { Guess } from '../core/guess.ts';
import type { Policy } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { describeInteractive } from './shape.ts';
import { detectTask } from './task.ts';

/**
 * The task: the guess where it is sure enough, else listed keywords. Of 312 held-out requests the guess names six in
 * seven tasks and the keywords alone fewer than half, but the keywords still know some of those the guess is unsure of.
 */
export function taskOf(facts: RequestFacts, policy: Policy, reasons: Reason[]): Task {
  const { guess } = facts;
  if (guess !== undefined && isSure(guess.taskShare, policy)) {
    reasons.push({ rule: ruleOf(guess), detail: `task ${guess.task}${told(guess.taskShare)}${noteOf(guess)}` });
    return guess.task;
  }
  if (facts.recorded !== undefined) {
    reasons.push({ rule: 'task', detail: `${facts.recorded.task} (recorded)` });
    return facts.recorded.task;
  }
  const byWords = detectTask(facts);
  const unsure = guess === undefined ? '' : `; ${guess.by} unsure: ${guess.task}${told(guess.taskShare)}`;
  reasons.push({ rule: 'task', detail: `${byWords.task} (${byWords.evidence}${unsure})` });
  return byWords.task;
}

/**
 * The class where nothing else said anything: `interactive`, because a request without a hint has somebody waiting, or
 * what the guess says, where it is sure enough. A guess does not make a request batch, since batch is refused outside
 * its window, unless `classify.allow_batch` is set: it becomes `quality`, whose budget is minutes, and a streamed one,
 * which somebody reads, stays `interactive`.
 */
export function classOfGuess(facts: RequestFacts, policy: Policy, reasons: Reason[]): ModelClass {
  const { guess } = facts;
  if (guess === undefined || !isSure(guess.classShare, policy) || guess.class === 'interactive') {
    reasons.push({ rule: 'shape', detail: describeInteractive(facts) });
    return 'interactive';
  }
  const detail = `class ${guess.class}${told(guess.classShare)}${noteOf(guess)}`;
  if (guess.class !== 'batch' || policy.classify.allowBatch) {
    reasons.push({ rule: ruleOf(guess), detail });
    return guess.class;
  }
  const instead = facts.stream ? 'interactive' : 'quality';
  reasons.push({ rule: ruleOf(guess), detail: `${detail}: ${instead}, as classify.allow_batch is false` });
  return instead;
}

const isSure = (share: number | undefined, policy: Policy): boolean =>
  share === undefined || share >= policy.classify.confidence;
const told = (share: number | undefined): string => (share === undefined ? '' : ` p=${share.toFixed(2)}`);
const ruleOf = (guess: Guess): string => (guess.by === 'linear' ? 'linear' : `classifier ${guess.by}`);
const noteOf = (guess: Guess): string => (guess.note === undefined ? '' : ` (${guess.note})`);
