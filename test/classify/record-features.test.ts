import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify/classify.ts';
import { recordFeatures as record } from '../../src/classify/record-features.ts';
import { recordedFacts } from '../../src/classify/recorded-facts.ts';
import { describeHeaderTest } from '../../src/classify/rules.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { RequestFacts } from '../../src/core/request.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

const POLICY_TEXT = `
version: 1
devices: { cpu: { lanes: 1 } }
runtimes: { llama: { kind: llama-server, device: cpu, binary: llama-server } }
models:
  small: { runtime: llama, file: small.gguf, quality: 0.5, aliases: [fast] }
classify:
  rules:
    - { when: { system_matches: "title for" }, class: route }
    - { when: { last_user_matches: "urgent" }, class: interactive }
    - { when: { header: { name: X-Purpose, equals: background } }, class: route }
`;
const POLICY = parsePolicy(POLICY_TEXT, '/policies/routing-policy.yaml');

const facts = (given: Partial<RequestFacts> = {}): RequestFacts => ({
  model: 'auto',
  classHint: undefined,
  stream: true,
  systemText: 'Write a title for this conversation.',
  lastUserText: 'hello',
  promptChars: 40,
  messageCount: 2,
  imageCount: 0,
  audioCount: 0,
  toolCount: 0,
  inToolLoop: false,
  responseFormat: 'text',
  logprobs: false,
  maxTokens: undefined,
  reasoningEffort: undefined,
  serviceTier: undefined,
  sloTtftMs: undefined,
  sloE2eMs: undefined,
  header: (name) => (name === 'x-purpose' ? 'background' : undefined),
  ...given,
});

const recordFeatures = (given: RequestFacts, policy: Policy) => record(given, policy, 'chat');

describe('recordFeatures', () => {
  it('keeps the answers of all text and header tests, also behind the rule that decided', () => {
    expect(recordFeatures(facts(), POLICY).tests).toEqual({
      'system /title for/i': true,
      'last user /urgent/i': false,
      'header x-purpose = background': true,
    });
  });

  it('keeps a model name that is known and hides one that is not', () => {
    expect(recordFeatures(facts({ model: 'fast' }), POLICY).model).toBe('fast');
    expect(recordFeatures(facts({ model: 'auto:quality' }), POLICY).model).toBe('auto:quality');
    expect(recordFeatures(facts({ model: 'my password' }), POLICY).model).toBe('unknown');
    expect(recordFeatures(facts({ model: 'auto:my password' }), POLICY).model).toBe('unknown');
  });

  it('never holds a word that a client wrote', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^canary[a-z]{6}$/), (canary) => {
        const features = recordFeatures(
          facts({
            model: canary,
            classHint: { value: canary, source: 'x-router-class' },
            systemText: canary,
            lastUserText: canary,
            reasoningEffort: canary,
            serviceTier: canary,
            header: () => canary,
          }),
          POLICY,
        );
        expect(JSON.stringify(features)).not.toContain(canary);
      }),
    );
  });
});

describe('describeHeaderTest', () => {
  it('says what is wanted of the header', () => {
    expect(describeHeaderTest({ name: 'X-A' })).toBe('x-a given');
    expect(describeHeaderTest({ name: 'x-a', matches: /^b/ })).toBe('x-a ~ /^b/');
  });
});

describe('recordedFacts', () => {
  const texts = fc.constantFrom('', 'hello', 'title for a song', 'URGENT: help', 'Write a title for this conversation');
  const anyFacts = fc
    .record({
      model: fc.constantFrom('auto', 'auto:quality', 'small', 'fast'),
      systemText: texts,
      lastUserText: texts,
      stream: fc.boolean(),
      maxTokens: fc.constantFrom(undefined, 8, 400),
      toolCount: fc.constantFrom(0, 2),
      serviceTier: fc.constantFrom(undefined, 'flex'),
      purpose: fc.constantFrom(undefined, 'background', 'other'),
      guess: fc.constantFrom(undefined, {
        by: 'linear',
        task: 'code',
        taskShare: 0.9,
        class: 'quality',
        classShare: 0.9,
      } as const),
    })
    .map(({ purpose, guess, ...given }) =>
      facts({
        ...given,
        ...(guess === undefined ? {} : { guess }),
        header: (name) => (name === 'x-purpose' ? purpose : undefined),
      }),
    );

  it('are classified as the request was', () => {
    fc.assert(
      fc.property(anyFacts, (live) => {
        const before = classify(live, POLICY, undefined);
        if (before.kind !== 'ok') throw new Error(before.message);
        const { facts: kept, unanswered } = recordedFacts(
          JSON.parse(JSON.stringify(record(live, POLICY, before.workload.task))),
        );
        const after = classify(kept, POLICY, undefined);
        if (after.kind !== 'ok') throw new Error(after.message);
        const told = ({ class: name, task, needs, slo, outputTokensMax }: typeof before.workload) => ({
          name,
          task,
          needs,
          slo,
          outputTokensMax,
        });
        expect(told(after.workload)).toEqual(told(before.workload));
        expect(unanswered.size).toBe(0);
      }),
    );
  });

  it('note the tests that another policy puts and nobody has answered', () => {
    const other = parsePolicy(POLICY_TEXT.replace('urgent', 'please'), '/policies/other.yaml');
    const { facts: kept, unanswered } = recordedFacts(
      record(facts({ systemText: '', lastUserText: 'please' }), POLICY, 'chat'),
    );
    expect(classify(kept, other, undefined).kind).toBe('ok');
    expect([...unanswered]).toEqual(['last user /please/i']);
  });
});
