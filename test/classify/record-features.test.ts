import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeHeaderTest, recordFeatures } from '../../src/classify/record-features.ts';
import type { RequestFacts } from '../../src/core/request.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

const POLICY = parsePolicy(
  `
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
`,
  '/policies/routing-policy.yaml',
);

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
