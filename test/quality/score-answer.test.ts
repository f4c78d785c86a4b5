import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TASKS } from '../../src/core/classes.ts';
import type { EvalCheck } from '../../src/quality/item.ts';
import { EVAL_ITEMS } from '../../src/quality/items.ts';
import { needleItem } from '../../src/quality/needle-item.ts';
import { scoreAnswer } from '../../src/quality/score-answer.ts';

const isRight = (check: EvalCheck, answer: string) => scoreAnswer({ check }, answer).kind === 'right';

describe('EVAL_ITEMS', () => {
  it('holds 60 to 120 items with ids of their own, at least eight of each task', () => {
    expect(EVAL_ITEMS.length).toBeGreaterThanOrEqual(60);
    expect(EVAL_ITEMS.length).toBeLessThanOrEqual(120);
    expect(new Set(EVAL_ITEMS.map(({ id }) => id)).size).toBe(EVAL_ITEMS.length);
    for (const task of TASKS) expect(EVAL_ITEMS.filter((item) => item.task === task).length).toBeGreaterThanOrEqual(8);
  });

  it('counts no item as right for an empty answer or for one of another item', () => {
    for (const item of EVAL_ITEMS) expect([item.id, scoreAnswer(item, '').kind]).not.toEqual([item.id, 'right']);
    const free = new Set(['chat-refuse-format', 'creative-title']);
    const strict = EVAL_ITEMS.filter(({ id, check }) => !free.has(id) && check.kind !== 'code');
    for (const item of strict)
      expect([item.id, scoreAnswer(item, 'I am the 4B tier.').kind]).toEqual([item.id, 'wrong']);
  });
});

describe('scoreAnswer', () => {
  it.each([
    ['B', true],
    ['b)', true],
    ['**B**', true],
    ['"B".', true],
    ['B) Mercury', false],
    ['The answer is B', false],
  ])('takes %j for the letter B: %j', (answer, right) => {
    expect(isRight({ kind: 'exact', answers: ['B'] }, answer)).toBe(right);
  });

  it('wants capitals where capitals were asked for', () => {
    const check: EvalCheck = { kind: 'exact', answers: ['GOOD MORNING'] };
    expect(isRight(check, 'GOOD MORNING!')).toBe(true);
    expect(isRight(check, 'Good morning')).toBe(false);
  });

  it.each([
    ['47 + 86 = 133', true],
    ['The answer is **133**.', true],
    ['133 is 47 plus 86', false],
    ['1,133', false],
    ['many', false],
  ])('reads the last number of %j: %j', (answer, right) => {
    expect(isRight({ kind: 'number', value: 133 }, answer)).toBe(right);
  });

  it('reads thousands separators and decimal commas', () => {
    expect(isRight({ kind: 'number', value: 12_000 }, 'about 12,000')).toBe(true);
    expect(isRight({ kind: 'number', value: 4.5 }, '4,5 Euro')).toBe(true);
  });

  it('wants every group, no forbidden word, the length and the lines', () => {
    const check: EvalCheck = {
      kind: 'contains',
      groups: [['sea', 'wave']],
      forbidden: ['wet'],
      wordsMax: 8,
      linesExact: 2,
    };
    expect(isRight(check, 'The waves come in,\n\nthe waves go out.')).toBe(true);
    expect(isRight(check, 'The waves come in, the waves go out.')).toBe(false);
    expect(isRight(check, 'Wet waves\ncome')).toBe(false);
    expect(isRight(check, 'Waves and waves and waves\nand waves and waves')).toBe(false);
  });

  it('compares JSON by value, forgives a fence and refuses prose', () => {
    const check: EvalCheck = { kind: 'json', value: { name: 'Maria', n: 2, tags: ['a'] } };
    expect(isRight(check, '{"n":2,"tags":["A"],"name":"Maria"}')).toBe(true);
    expect(isRight(check, '```json\n{"n":2,"tags":["a"],"name":"Maria"}\n```')).toBe(true);
    expect(isRight(check, '{"n":"2","tags":["a"],"name":"Maria"}')).toBe(false);
    expect(isRight(check, '{"n":2,"tags":["a"],"name":"Maria","extra":1}')).toBe(false);
    expect(isRight(check, 'Here it is: {"n":2}')).toBe(false);
  });

  it('finds the code of an answer, which has to be run', () => {
    const check: EvalCheck = { kind: 'code', name: 'add', cases: [] };
    const answer = 'Sure:\n```js\nexport function add(a, b) { return a + b }\n```\nEnjoy!';
    expect(scoreAnswer({ check }, answer)).toEqual({ kind: 'run', source: 'function add(a, b) { return a + b }\n' });
    expect(scoreAnswer({ check }, 'I cannot code').kind).toBe('wrong');
  });

  it('never throws and never says right to noise', () => {
    const items = EVAL_ITEMS.filter(({ check }) => check.kind === 'exact' || check.kind === 'json');
    fc.assert(
      fc.property(fc.constantFrom(...items), fc.string({ unit: 'binary', minLength: 12 }), (item, noise) => {
        expect(scoreAnswer(item, noise).kind).toBe('wrong');
      }),
    );
  });
});

describe('needleItem', () => {
  it('hides the fact at the share asked for, in a text of the length asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 40_000 }), fc.constantFrom(0.5, 0.9), (chars, share) => {
        const text = needleItem(chars, share).messages[0]?.content ?? '';
        expect(Math.abs(text.length - chars)).toBeLessThan(400);
        expect(Math.abs(text.indexOf('The code of the cellar') / text.length - share)).toBeLessThan(0.2);
      }),
    );
  });

  it('has another code at another place, so that guessing does not help', () => {
    expect(needleItem(2000, 0.5).check).not.toEqual(needleItem(2000, 0.9).check);
  });
});
