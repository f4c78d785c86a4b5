import { describe, expect, it } from 'vitest';
import type { CountedPrompt } from '../../src/core/decision.ts';
import { createPrefixMarker } from '../../src/core/prefix-marks.ts';
import type { Figure } from '../../src/core/profile.ts';
import { promptTokensOf } from '../../src/route/prompt-tokens.ts';
import { workload } from './small-policy.ts';

const figure = (value: number, n = 12): Figure => ({ value, provenance: 'observed', n, source: 'test' });
const profile = { charsPerToken: figure(4), templateTokens: figure(10) };
const counted: CountedPrompt = { tokenizer: 'T', tokens: 90, chars: 300, messages: 1, basis: 'counted by m' };

function marks(messages: number) {
  const marker = createPrefixMarker();
  for (let index = 0; index < messages; index += 1) {
    marker.begin('user');
    marker.end();
  }
  return marker.marks();
}

describe('promptTokensOf', () => {
  it.each([
    ['by the line through what was seen', profile, { tokens: 110, basis: 'chars per token, observed n=12' }],
    [
      'by a ratio taken over whole prompts',
      { charsPerToken: figure(4, 1) },
      { tokens: 100, basis: 'chars per token, observed n=1' },
    ],
    ['by the default', {}, { tokens: 117, basis: '3.6 chars per token, default' }],
    [
      'by the default and the known template',
      { templateTokens: figure(20) },
      { tokens: 132, basis: '3.6 chars per token, default' },
    ],
  ])('estimates %s', (_, known, expected) => {
    expect(promptTokensOf(workload({ promptChars: 400 }), known, 'T')).toEqual(expected);
  });

  it('takes a count of the whole prompt as it is', () => {
    const asked = workload({ promptChars: 300, promptCounts: [counted], prefix: marks(1) });
    expect(promptTokensOf(asked, profile, 'T')).toEqual({ tokens: 90, basis: 'counted by m' });
  });

  it('goes on by characters from a count of the beginning, five tokens for each message added', () => {
    const asked = workload({ promptChars: 700, promptCounts: [counted], prefix: marks(3) });
    expect(promptTokensOf(asked, profile, 'T')).toEqual({
      tokens: 90 + 100 + 2 * 5,
      basis: 'first 90 counted by m, then chars',
    });
  });

  it('leaves counts of another tokenizer alone, and all of them where the model has none', () => {
    const asked = workload({ promptChars: 400, promptCounts: [counted] });
    expect(promptTokensOf(asked, profile, 'U').tokens).toBe(110);
    expect(promptTokensOf(asked, profile, undefined).tokens).toBe(110);
  });

  it('takes an exact number given for all models before everything', () => {
    const asked = workload({ promptTokensExact: 7, promptCounts: [counted] });
    expect(promptTokensOf(asked, profile, 'T')).toEqual({ tokens: 7, basis: 'counted' });
  });
});
