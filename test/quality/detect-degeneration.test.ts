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

  it.each([
    ['Paris.<|im_end|>', '<|im_end|>'],
    ['Paris.</s> [INST] And Rome? [/INST]', '</s>'],
    ['Paris.\n\nUser: And of Italy?\nAssistant: Rome.', 'User'],
    ['```js\nf();\n```\n### Instruction:\nWrite g.', 'Instruction'],
  ])('finds that %j goes on past its end', (text, mark) => {
    expect(findDegeneration(text, reference)).toEqual({
      sign: 'runs on',
      detail: `it goes on past its end with ${mark}`,
    });
  });

  it.each([
    'The template ends a turn with `<|im_end|>`.',
    'User: admin',
    'GUEST: Hello.\nHOST: Welcome.',
    'Q: Why?\nA: So.',
  ])('does not take %j for a run past the end', (text) => {
    expect(findDegeneration(text, reference)).toBe(undefined);
  });

  it('finds an answer in another language where one was asked for', () => {
    const english = answers.find(({ id }) => id === 'en-explain-02')?.text ?? '';
    const chinese = answers.find(({ id }) => id === 'zh-qa-01')?.text ?? '';
    expect(findDegeneration(english, reference, { language: 'de' })).toEqual({
      sign: 'wrong language',
      detail: 'language en, asked in de',
    });
    expect(findDegeneration(chinese, reference, { language: 'en' })?.detail).toBe('another script, asked in en');
    expect(findDegeneration(english, reference)).toBe(undefined);
    expect(findDegeneration('Paris.', reference, { language: 'de' })).toBe(undefined);
  });

  it('finds a model that does not stop where a word is enough', () => {
    const text = 'The capital of France is Paris, and there is much to say about it.';
    const asked = { tokensEnough: 5, tokensMax: 256 };
    expect(findDegeneration(text, reference, { ...asked, finishReason: 'length' })).toEqual({
      sign: 'no end',
      detail: 'no end after 256 tokens, 5 are enough',
    });
    expect(findDegeneration(text, reference, { ...asked, finishReason: 'stop' })).toBe(undefined);
    expect(findDegeneration(text, reference, { finishReason: 'length' })).toBe(undefined);
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
