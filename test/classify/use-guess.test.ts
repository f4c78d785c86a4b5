import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify/classify.ts';
import type { Guess } from '../../src/core/guess.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { RequestFacts } from '../../src/core/request.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { requestFacts } from './request-facts.ts';

const policyWith = (classify: string): Policy => parsePolicy(`version: 1\nclassify: { ${classify} }`, 'p.yaml');
const byDefault = policyWith('confidence: 0.6');

const guessOf = (given: Partial<Guess> = {}): Guess => ({
  by: 'linear',
  task: 'code',
  taskShare: 0.93,
  class: 'interactive',
  classShare: 0.99,
  ...given,
});

function workloadOf(facts: Partial<RequestFacts>, policy = byDefault) {
  const answer = classify(requestFacts(facts), policy, undefined);
  if (answer.kind !== 'ok') throw new Error(answer.message);
  return answer.workload;
}

describe('a guess in classify', () => {
  it('names the task, with its probability as the reason', () => {
    const { task, reasons } = workloadOf({ guess: guessOf() });
    expect(task).toBe('code');
    expect(reasons).toContainEqual({ rule: 'linear', detail: 'task code p=0.93' });
  });

  it('that is unsure leaves the task to the keywords and says so', () => {
    const { task, reasons } = workloadOf({ lastUserText: 'Summarize this', guess: guessOf({ taskShare: 0.59 }) });
    expect(task).toBe('summarize');
    expect(reasons[0]).toEqual({ rule: 'task', detail: 'summarize (summarize; linear unsure: code p=0.59)' });
  });

  it('moves a request without a hint to quality or route', () => {
    for (const name of ['quality', 'route'] as const) {
      const { class: found, reasons } = workloadOf({ guess: guessOf({ class: name, classShare: 0.8 }) });
      expect(found).toBe(name);
      expect(reasons).toContainEqual({ rule: 'linear', detail: `class ${name} p=0.80` });
    }
  });

  it('below the confidence of the policy moves nothing', () => {
    const guess = guessOf({ class: 'quality', classShare: 0.85 });
    expect(workloadOf({ guess }).class).toBe('quality');
    expect(workloadOf({ guess }, policyWith('confidence: 0.9')).class).toBe('interactive');
  });

  it('gives way to a hint, a service tier, a rule and the shape', () => {
    const guess = guessOf({ class: 'quality', classShare: 1 });
    expect(workloadOf({ guess, model: 'auto:interactive' }).class).toBe('interactive');
    expect(workloadOf({ guess: guessOf({ class: 'route' }), serviceTier: 'flex' }).class).toBe('quality');
    expect(workloadOf({ guess, maxTokens: 16 }).class).toBe('route');
    const ruled = policyWith('rules: [{ when: { stream: true }, class: interactive }]');
    expect(workloadOf({ guess }, ruled).class).toBe('interactive');
  });

  it('never makes a request batch by itself: quality, or interactive where somebody reads along', () => {
    const guess = guessOf({ class: 'batch', classShare: 0.97 });
    expect(workloadOf({ guess, stream: false }).class).toBe('quality');
    expect(workloadOf({ guess, stream: true }).class).toBe('interactive');
    expect(workloadOf({ guess, stream: false }).reasons).toContainEqual({
      rule: 'linear',
      detail: 'class batch p=0.97: quality, as classify.allow_batch is false',
    });
  });

  it('makes a request batch where the policy allows it', () => {
    const guess = guessOf({ class: 'batch', classShare: 0.97 });
    expect(workloadOf({ guess, stream: false }, policyWith('allow_batch: true')).class).toBe('batch');
  });

  it('of a model is named as the model’s, with what it replaced', () => {
    const { reasons } = workloadOf({ guess: guessOf({ by: 'tiny' }) });
    expect(reasons).toContainEqual({ rule: 'classifier tiny', detail: 'task code p=0.93' });
    const replaced = workloadOf({ guess: guessOf({ note: 'tiny is busy' }) });
    expect(replaced.reasons).toContainEqual({ rule: 'linear', detail: 'task code p=0.93 (tiny is busy)' });
  });
});
