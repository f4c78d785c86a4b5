import type { ModelClass, Task } from '../core/classes.ts';
import type { Reason } from '../core/decision.ts';
import type { Guess } from '../core/guess.ts';
import type { Policy } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { describeInteractive } from './shape.ts';
import { detectTask } from './task.ts';

/**
 * The task: the guess where it is sure enough, else listed keywords. Of 312 held-out requests the guess names four in
 * five tasks and the keywords alone fewer than half, but the keywords still know some of those the guess is unsure of.
 */
export function taskOf(facts: RequestFacts, policy: Policy, reasons: Reason[]): Task {
  const { guess } = facts;
  if (guess !== undefined && guess.taskShare >= policy.classify.confidence) {
    reasons.push({ rule: ruleOf(guess), detail: `task ${guess.task} p=${guess.taskShare.toFixed(2)}${noteOf(guess)}` });
    return guess.task;
  }
  const byWords = detectTask(facts);
  const unsure = guess === undefined ? '' : `; ${guess.by} unsure: ${guess.task} p=${guess.taskShare.toFixed(2)}`;
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
  const { confidence, allowBatch } = policy.classify;
  if (guess === undefined || guess.classShare < confidence || guess.class === 'interactive') {
    reasons.push({ rule: 'shape', detail: describeInteractive(facts) });
    return 'interactive';
  }
  const told = `class ${guess.class} p=${guess.classShare.toFixed(2)}${noteOf(guess)}`;
  if (guess.class !== 'batch' || allowBatch) {
    reasons.push({ rule: ruleOf(guess), detail: told });
    return guess.class;
  }
  const instead = facts.stream ? 'interactive' : 'quality';
  reasons.push({ rule: ruleOf(guess), detail: `${told}: ${instead}, as classify.allow_batch is false` });
  return instead;
}

const ruleOf = (guess: Guess): string => (guess.by === 'linear' ? 'linear' : `classifier ${guess.by}`);
const noteOf = (guess: Guess): string => (guess.note === undefined ? '' : ` (${guess.note})`);
