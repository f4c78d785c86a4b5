import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CALIBRATION_RUINS, ruinAll } from '../../scripts/quality-samples/degenerate.ts';
import { readGoodAnswers } from '../../scripts/quality-samples/good-answers.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { findDegeneration, learnReference } from '../../src/quality/detect-degeneration.ts';

const reference = learnReference(readFileSync(join(packageRoot(), 'src/quality/reference-text.txt'), 'utf8'));
const answers = readGoodAnswers(join(import.meta.dirname, '../fixtures/quality/good-calibration.txt'));
type Kind = (typeof CALIBRATION_RUINS)[number]['kind'];
// One shuffle of 40 words may hit on sentences by chance, so each answer is ruined five times.
const ruined = (kind: Kind, good = answers) => {
  const ruin = CALIBRATION_RUINS.find((one) => one.kind === kind);
  if (ruin === undefined) throw new Error(kind);
  return [1, 2, 3, 4, 5].flatMap((seed) => ruinAll(ruin, good, seed).map(({ text }) => text));
};
const signsOf = (kind: Kind, good = answers) =>
  ruined(kind, good).map((text) => findDegeneration(text, reference)?.sign);

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

  it.each([
    ['English', 'en'],
    ['German', 'de'],
  ])('finds shuffled %s prose', (_, wanted) => {
    const kinds = ['explain', 'howto', 'qa', 'email', 'summary', 'creative'];
    const prose = answers.filter(({ language, kind, text }) => {
      return language === wanted && kinds.includes(kind) && text.split(/\s+/).length >= 60;
    });
    const signs = signsOf('shuffles words', prose);
    expect(signs.filter((sign) => sign === 'word salad').length).toBeGreaterThan(signs.length * 0.8);
  });

  it('finds an answer whose second half is shuffled', () => {
    const prose = answers.filter(({ language, kind }) => language === 'en' && ['explain', 'chat'].includes(kind));
    const signs = signsOf('collapses in the middle', prose);
    expect(signs.filter((sign) => sign === 'word salad').length).toBeGreaterThan(signs.length * 0.75);
  });

  it.each([
    ['a table of numbers', Array.from({ length: 60 }, (_, row) => `${row},${row * row},${row ** 3}`).join('\n')],
    [
      'French',
      'le chat et la souris ont mange du fromage dans la cuisine avec une amie '.repeat(5).split(' ').sort().join(' '),
    ],
    ['code', `\`\`\`js\n${'const a = b(c);\nif (a) return d;\n'.repeat(3)}\`\`\``],
  ])('does not judge the word order of %s', (_, text) => {
    expect(findDegeneration(text, reference)?.sign).not.toBe('word salad');
  });

  it('finds a list that says the same under every number, and leaves a table of products alone', () => {
    const list = Array.from({ length: 12 }, (_, at) => `${at + 1}. The tower is very old.`).join('\n');
    expect(findDegeneration(list, reference)?.sign).toBe('loop');
    const table = Array.from({ length: 12 }, (_, at) => `${at} times 7 is ${at * 7}.`).join('\n');
    expect(findDegeneration(table, reference)).toBe(undefined);
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
