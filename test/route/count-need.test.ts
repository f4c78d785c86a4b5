import { describe, expect, it } from 'vitest';
import type { Workload } from '../../src/core/decision.ts';
import type { ModelView } from '../../src/core/snapshot.ts';
import { tokenizersToAsk } from '../../src/route/count-need.ts';
import { decide } from '../../src/route/decide.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { measured, smallPolicy, snapshotOf, workload } from './small-policy.ts';

// `good` reads 100 tokens a second and has a context of 2,048; `small` is worse and in every respect roomy.
const policy = smallPolicy({
  models: [modelPolicy('good', { quality: 0.8 }), modelPolicy('small', { quality: 0.5 })],
});
const views = {
  good: { facts: modelFacts({ tokenizer: 'G', contextTokens: 2_048 }) },
  small: {
    facts: modelFacts({ tokenizer: 'S', contextTokens: 100_000 }),
    profile: measured({ prefill: 10_000, decode: 1_000 }),
  },
};

function asked(
  given: Partial<Workload>,
  spread = 0.2,
  over: Partial<Record<'good' | 'small', Partial<ModelView>>> = {},
) {
  const made = workload({ slo: { ttftMs: undefined, e2eMs: undefined, source: 'test' }, ...given });
  const snapshot = snapshotOf({ good: { ...views.good, ...over.good }, small: { ...views.small, ...over.small } });
  const decision = decide(made, snapshot, policy);
  return [...tokenizersToAsk({ decision, workload: made, snapshot, policy }, () => spread)];
}

const slo = (ttftMs: number | undefined, e2eMs?: number) => ({ ttftMs, e2eMs, source: 'test' });

describe('tokenizersToAsk', () => {
  it('asks nobody where no bound is near', () => {
    expect(asked({})).toEqual([]);
    expect(asked({ promptChars: 4_000, slo: slo(60_000, 120_000) })).toEqual([]);
  });

  it.each([
    ['below the context', 7_600],
    ['above the context', 8_800],
  ])('asks where the prompt is estimated just %s of a better model', (_, promptChars) => {
    expect(asked({ promptChars })).toEqual(['G']);
  });

  it('asks before it strikes out a model for its context, however sure the estimate', () => {
    expect(asked({ promptChars: 8_800 }, 0.01)).toEqual(['G']);
    expect(asked({ promptChars: 7_600 }, 0.01)).toEqual([]);
  });

  it('asks nobody about a prompt that is far too long for it', () => {
    expect(asked({ promptChars: 21_000 })).toEqual([]);
  });

  it.each([
    ['TTFT just met', slo(11_000), true],
    ['TTFT just missed', slo(9_000), true],
    ['E2E just met', slo(undefined, 21_000), true],
    ['TTFT met by far', slo(40_000), false],
    ['TTFT missed by far', slo(2_000), false],
  ])('sees that a better model has %s', (_, target, expected) => {
    expect(asked({ promptChars: 4_000, slo: target })).toEqual(expected ? ['G'] : []);
  });

  it('asks nobody where the estimate is good enough for the same bound', () => {
    expect(asked({ promptChars: 4_000, slo: slo(11_000) }, 0.05)).toEqual([]);
  });

  it('asks nobody about a worse model, which would not win anyway', () => {
    // 10,000 tokens a second: one second for 10,000 tokens.
    const near = { small: { facts: modelFacts({ tokenizer: 'S', contextTokens: 1_010 }) } };
    expect(asked({ promptChars: 4_000 }, 0.2, near)).toEqual([]);
  });

  it('asks nobody where all of the prompt was counted, and about the rest of one counted in part', () => {
    const counted = (chars: number) => [
      { tokenizer: 'G', tokens: chars / 4, chars, messages: 1, basis: 'counted by m' },
    ];
    const near = { promptChars: 8_000, slo: slo(undefined) };
    expect(asked({ ...near, promptCounts: counted(8_000) })).toEqual([]);
    expect(asked({ ...near, promptCounts: counted(7_600) })).toEqual([]);
    expect(asked({ ...near, promptCounts: counted(4_000) })).toEqual(['G']);
    expect(asked({ ...near, promptTokensExact: 2_000 })).toEqual([]);
  });

  it('asks nobody about a model closed by something no count changes', () => {
    const broken = { availability: { kind: 'unavailable', reason: 'x', remedy: 'y' } } as const;
    expect(asked({ promptChars: 4_000, slo: slo(11_000) }, 0.2, { good: broken })).toEqual([]);
  });
});
