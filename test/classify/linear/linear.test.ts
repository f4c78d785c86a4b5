import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCorpus } from '../../../src/classify/linear/corpus.ts';
import { evaluate } from '../../../src/classify/linear/evaluate.ts';
import { BUCKETS } from '../../../src/classify/linear/feature-vector.ts';
import { eachAffix } from '../../../src/classify/linear/feature-words.ts';
import { featuresOf } from '../../../src/classify/linear/features.ts';
import type { LinearInput } from '../../../src/classify/linear/linear-input.ts';
import { guessLinear } from '../../../src/classify/linear/model.ts';
import { nearestNeighbours } from '../../../src/classify/linear/neighbours.ts';
import { TRAIN_DEFAULTS, trainLinear } from '../../../src/classify/linear/train.ts';
import { decodeWeights, encodeWeights } from '../../../src/classify/linear/weights-file.ts';
import { MODEL_CLASSES, TASKS } from '../../../src/core/classes.ts';
import { systemClock } from '../../../src/core/clock.ts';

const folder = 'src/classify/linear';
const corpus = (name: string) => parseCorpus(readFileSync(join(folder, 'corpus', `${name}.jsonl`), 'utf8'), name);
const heldOut = corpus('held-out');
const training = [...corpus('train'), ...corpus('validation')];
const bytes = readFileSync(join(folder, 'weights.bin'));
const { model } = decodeWeights(bytes, 'weights.bin');

const notes = { examples: 9, ownExamples: 2, heldOutTask: 0.5, heldOutClass: 0.75 };

const inputOf = (given: Partial<LinearInput>): LinearInput => ({
  text: '',
  system: '',
  stream: false,
  maxTokens: undefined,
  toolCount: 0,
  inToolLoop: false,
  responseFormat: 'text',
  messageCount: 1,
  ...given,
});

const anyInput = fc.record({
  text: fc.string({ unit: 'binary', maxLength: 9000 }),
  system: fc.string({ unit: 'binary', maxLength: 1000 }),
  stream: fc.boolean(),
  maxTokens: fc.option(fc.nat(), { nil: undefined }),
  toolCount: fc.nat(500),
  inToolLoop: fc.boolean(),
  responseFormat: fc.constantFrom('text', 'json_object', 'json_schema', 'grammar'),
  messageCount: fc.nat(2000),
});

describe('the shipped weights', () => {
  const found = evaluate(heldOut, ({ input }) => guessLinear(model, input), 0.6);

  it('name at least 90 % of the held-out classes', () => {
    expect(found.n).toBeGreaterThan(300);
    expect(found.classAccuracy).toBeGreaterThanOrEqual(0.9);
  });

  it('name at least 85 % of the held-out tasks, and nine in ten where they are sure', () => {
    expect(found.taskAccuracy).toBeGreaterThanOrEqual(0.85);
    expect(found.confident.task.accuracy).toBeGreaterThanOrEqual(0.9);
    expect(found.confident.task.share).toBeGreaterThanOrEqual(0.8);
  });

  it('are as sure as they are right, within 6 points', () => {
    expect(found.taskCalibrationError).toBeLessThanOrEqual(0.06);
    expect(found.classCalibrationError).toBeLessThanOrEqual(0.06);
  });

  it('fit in a megabyte', () => {
    expect(bytes.length).toBeLessThanOrEqual(1_000_000);
  });

  it('guess the same for the same request, whatever was asked before', () => {
    fc.assert(
      fc.property(anyInput, anyInput, (one, other) => {
        const first = guessLinear(model, one);
        guessLinear(model, other);
        expect(guessLinear(model, one)).toEqual(first);
      }),
      { numRuns: 60 },
    );
  });

  it('name a task and a class with probabilities for any Unicode text', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const guess = guessLinear(model, input);
        expect(TASKS).toContain(guess.task);
        expect(MODEL_CLASSES).toContain(guess.class);
        expect(guess.taskShare).toBeGreaterThanOrEqual(1 / TASKS.length - 1e-9);
        expect(guess.taskShare).toBeLessThanOrEqual(1);
        expect(guess.classShare).toBeGreaterThanOrEqual(1 / MODEL_CLASSES.length - 1e-9);
      }),
    );
  });

  it('take no longer for a text of two million characters than for one of five thousand', () => {
    const timeOf = (text: string) => {
      const input = inputOf({ text });
      const times = Array.from({ length: 60 }, () => {
        const startMs = systemClock.monotonicMs();
        guessLinear(model, input);
        return systemClock.monotonicMs() - startMs;
      });
      return Math.min(...times);
    };
    const words = 'why does 42 of the {tests} fail, ';
    const short = timeOf(words.repeat(150));
    expect(timeOf(words.repeat(60_000))).toBeLessThan(5 * short + 0.5);
  });
});

describe('the corpus', () => {
  it('has every task and every class on both sides, and no held-out text near a training text', () => {
    for (const side of [heldOut, training]) {
      expect(new Set(side.map(({ task }) => task))).toEqual(new Set(TASKS));
      expect(new Set(side.map((example) => example.class))).toEqual(new Set(MODEL_CLASSES));
    }
    expect(heldOut.length + training.length).toBeGreaterThanOrEqual(1200);
    expect(nearestNeighbours(heldOut, training)[0]?.similarity).toBeLessThan(0.6);
  });
});

describe('featuresOf', () => {
  it('reads numbers of any length as the same sign', () => {
    const copy = (text: string) => {
      const { ids, count } = featuresOf(inputOf({ text }));
      return [...ids.slice(0, count)].toSorted((a, b) => a - b);
    };
    expect(copy('sum of 3 and 4')).toEqual(copy('sum of 7 and 9'));
  });

  it('stays within its buckets and its arrays', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { ids, values, count } = featuresOf(input);
        expect(count).toBeLessThan(ids.length);
        expect(ids.subarray(0, count).every((id) => id < BUCKETS)).toBe(true);
        expect(values.subarray(0, count).every((value) => value > 0 && Number.isFinite(value))).toBe(true);
      }),
    );
  });
});

describe('eachAffix', () => {
  const affixesOf = (text: string) => {
    const found: [number, boolean][] = [];
    eachAffix(text, (hash, isEnding) => found.push([hash, isEnding]));
    return found;
  };

  it('gives words that begin or end alike the same hash there, and only there', () => {
    const [[begins, isEnding] = [], [ends] = []] = affixesOf('translate');
    expect(isEnding).toBe(false);
    expect(affixesOf('translation')[0]).toEqual([begins, false]);
    expect(affixesOf('translation')[1]?.[0]).not.toBe(ends);
    expect(affixesOf('graduate')[1]).toEqual([ends, true]);
  });

  it('passes over words of fewer than five letters, digits and signs', () => {
    expect(affixesOf('a poem, 12345 of mine!')).toEqual([]);
  });
});

describe('trainLinear', () => {
  const some = training.slice(0, 60);

  it('gives the same weights for the same examples and seed, other ones for another seed', async () => {
    const settings = { ...TRAIN_DEFAULTS, epochs: 2 };
    const bytesOf = async (seed: number) =>
      encodeWeights({ model: await trainLinear(some, { ...settings, seed }), notes });
    const one = await bytesOf(7);
    expect(one.equals(await bytesOf(7))).toBe(true);
    expect(one.equals(await bytesOf(8))).toBe(false);
  });

  it('learns what it is shown, and an example that weighs more wins', async () => {
    const input = inputOf({ text: 'ambiguous words' });
    const pair = [
      { input, task: 'code', class: 'quality' },
      { input, task: 'chat', class: 'route' },
    ] as const;
    const heavier = async (index: number) =>
      guessLinear(await trainLinear(pair, { ...TRAIN_DEFAULTS, weightOf: (at) => (at === index ? 9 : 1) }), input);
    expect(await heavier(0)).toMatchObject({ task: 'code', class: 'quality' });
    expect(await heavier(1)).toMatchObject({ task: 'chat', class: 'route' });
  });

  it('learns from every word of an example, not only from the one that decides the most', async () => {
    // "poem" is in every creative example, "verse" and "rhyme" in half of them each: a request may have only the latter.
    const example = (text: string, task: 'creative' | 'code') =>
      ({ input: inputOf({ text }), task, class: 'interactive' }) as const;
    const few = [
      example('poem verse', 'creative'),
      example('poem rhyme', 'creative'),
      example('query column', 'code'),
      example('query index', 'code'),
    ];
    const shareOf = async (dropout: number) => {
      const taught = await trainLinear(few, { ...TRAIN_DEFAULTS, dropout });
      const guess = guessLinear(taught, inputOf({ text: 'verse rhyme' }));
      expect(guess.task).toBe('creative');
      return guess.taskShare ?? 0;
    };
    expect(await shareOf(0.5)).toBeGreaterThan(await shareOf(0));
  });
});

describe('a weights file', () => {
  it('reads back as it was written', () => {
    const written = encodeWeights({ model, notes });
    const read = decodeWeights(written, 'x');
    expect(read.notes).toEqual(notes);
    expect(encodeWeights(read).equals(written)).toBe(true);
  });

  it.each([
    ['cut short', bytes.subarray(0, -1), /has \d+ bytes where \d+ belong/],
    ['empty', Buffer.alloc(0), /is not a file of classifier weights/],
    ['of another kind', Buffer.from('PNG and some more bytes'), /is not a file of classifier weights/],
    [
      'of other features',
      Buffer.from(bytes.toString('latin1').replace('"features":2', '"features":9'), 'latin1'),
      /was made by another version/,
    ],
    ['with a broken header', Buffer.from(bytes.toString('latin1').replace('{', '['), 'latin1'), /header/],
  ])('that is %s is refused with the remedy', (_, broken, message) => {
    expect(() => decodeWeights(broken, 'w.bin')).toThrow(message);
    expect(() => decodeWeights(broken, 'w.bin')).toThrow(/^w\.bin .*sluice train/);
  });
});

describe('parseCorpus', () => {
  it('names file, line and field of every fault, and passes blank lines over', () => {
    const text =
      '{"text":"a","task":"code","class":"route"}\n\nnope\n{"text":"b","task":"cod","class":"route"}\n{"text":"","task":"qa","class":"batch","extra":1}\n';
    expect(() => parseCorpus(text, 'mine.jsonl')).toThrow(
      /^mine\.jsonl:3: not JSON.*\nmine\.jsonl:4: task: .*\nmine\.jsonl:5: /,
    );
  });
});
