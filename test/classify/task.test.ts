import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectTask } from '../../src/classify/task.ts';
import { TASKS } from '../../src/core/classes.ts';
import { requestFacts } from './request-facts.ts';

const taskOf = (lastUserText: string) => detectTask(requestFacts({ lastUserText })).task;

describe('detectTask', () => {
  it.each([
    ['Summarize the following article in three sentences.', 'summarize'],
    ['Bitte fasse diesen Text zusammen: ...', 'summarize'],
    ['Translate this to French: good evening', 'rewrite'],
    ['\u00dcbersetze das bitte ins Englische.', 'rewrite'],
    ['Extract all names and dates as JSON', 'extract'],
    ['Klassifiziere die folgende Nachricht', 'extract'],
    ['Write a python function that reverses a list', 'code'],
    ['Why does this fail?\n```\nlet x = 1\n```', 'code'],
    ['Schreibe eine Funktion in TypeScript, die sortiert', 'code'],
    ['Solve the equation 3x + 4 = 10 step by step', 'reasoning'],
    ['Berechne die Wahrscheinlichkeit f\u00fcr zwei Sechser', 'reasoning'],
    ['Write a poem about the sea', 'creative'],
    ['Erz\u00e4hl mir eine Geschichte \u00fcber einen Drachen', 'creative'],
    ['What is the capital of Portugal', 'qa'],
    ['Wie hei\u00dft der Fluss durch K\u00f6ln', 'qa'],
    ['and the second one?', 'qa'],
    ['Good morning, nice to meet you.', 'chat'],
    ['', 'chat'],
  ])('%j is %s', (text, task) => {
    expect(taskOf(text)).toBe(task);
  });

  it('a JSON schema speaks for extraction', () => {
    expect(detectTask(requestFacts({ responseFormat: 'json_schema', lastUserText: 'the invoice below' })).task).toBe(
      'extract',
    );
  });

  it('one weak word in the middle of a sentence names no task', () => {
    expect(taskOf('I really like to think that people of any age may join a class at night')).toBe('chat');
  });

  it('an instruction at either end of a long text is seen, one in the middle is not', () => {
    const filler = 'lorem '.repeat(2000);
    expect(taskOf(`Summarize: ${filler}`)).toBe('summarize');
    expect(taskOf(`${filler} please summarize`)).toBe('summarize');
    expect(taskOf(`${filler} summarize ${filler}`)).toBe('chat');
  });

  it('any text has a task, and the same text the same one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 6000 }), (text) => {
        const guess = detectTask(requestFacts({ lastUserText: text }));
        expect(TASKS).toContain(guess.task);
        expect(detectTask(requestFacts({ lastUserText: text }))).toEqual(guess);
      }),
    );
  });
});
