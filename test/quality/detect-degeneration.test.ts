import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEGENERATIONS, seededRandom } from '../../scripts/quality-samples/degenerate.ts';
import { readGoodAnswers } from '../../scripts/quality-samples/good-answers.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { findDegeneration, learnReference } from '../../src/quality/detect-degeneration.ts';

const reference = learnReference(readFileSync(join(packageRoot(), 'src/quality/reference-text.txt'), 'utf8'));
const answers = readGoodAnswers(join(import.meta.dirname, '../fixtures/quality/good-calibration.txt'));
const signsOf = (kind: keyof typeof DEGENERATIONS) => {
  const random = seededRandom(1);
  return answers.map(({ text }) => findDegeneration(DEGENERATIONS[kind](text, random), reference)?.sign);
};

describe('findDegeneration', () => {
  it('leaves good answers alone, at most one in twenty excepted', () => {
    const flagged = answers.filter(({ text }) => findDegeneration(text, reference) !== undefined);
    expect(flagged.length).toBeLessThanOrEqual(answers.length / 20);
  });

  it.each(['loops one word', 'loops a phrase', 'loops a sentence'] as const)('finds a model that %s', (kind) => {
    expect(new Set(signsOf(kind))).toEqual(new Set(['loop']));
  });

  it('finds letters typed at random and broken characters', () => {
    expect(signsOf('types letters').filter((sign) => sign === undefined)).toEqual([]);
    expect(new Set(signsOf('breaks characters'))).toEqual(new Set(['broken characters']));
  });

  it('finds shuffled English words', () => {
    const random = seededRandom(2);
    const english = answers.filter(({ language }) => language === 'en');
    const found = english.filter(
      ({ text }) => findDegeneration(DEGENERATIONS['shuffles words'](text, random), reference) !== undefined,
    );
    expect(found.length).toBeGreaterThan(english.length * 0.8);
  });

  it('does not take a short repetition for a loop', () => {
    expect(findDegeneration('No, no, no! That is not what I meant, and you know it very well.', reference)).toBe(
      undefined,
    );
  });

  it('says what it saw in figures and without the text', () => {
    const looped = findDegeneration(`We begin. ${'again and again '.repeat(20)}`, reference);
    expect(looped).toEqual({ sign: 'loop', detail: 'the last 60 words repeat 3' });
  });

  it('calls an answer without text empty', () => {
    expect(findDegeneration(' \n', reference)?.sign).toBe('empty');
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => void findDegeneration(text, reference)),
    );
  });
});
