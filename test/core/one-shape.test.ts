import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { withGuess } from '../../src/core/request.ts';
import { readChatFacts } from '../../src/dialects/openai/chat-facts.ts';
import { readTextFacts } from '../../src/dialects/openai/text-facts.ts';
import { actualOf } from '../../src/serve/run-outcome.ts';

// A word of V8's own: whether two objects have the same hidden class, so that one inline cache serves both.
setFlagsFromString('--allow-natives-syntax');
const haveSameShape = runInThisContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

const none = () => undefined;
const messages = [{ role: 'user', content: 'hello' }];

describe('objects on the way of a request have one shape, whatever they hold', () => {
  it('tells shapes apart', () => {
    expect(haveSameShape({ a: 1, b: 2 }, { a: 3, b: 4 })).toBe(true);
    expect(haveSameShape({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(false);
  });

  it('facts, of whichever endpoint', () => {
    const guess = { by: 'linear', task: 'chat', taskShare: 0.9, class: 'interactive', classShare: 0.9 } as const;
    const chat = readChatFacts({ messages }, none);
    const body = { model: 'auto', input: ['a'] };
    const all = [
      withGuess(chat, guess),
      withGuess(chat, undefined),
      withGuess({ ...chat, rawPrompt: true, maxTokens: 5 }, guess),
      withGuess(readTextFacts({ wants: 'embeddings', body, texts: ['a'], header: none }), undefined),
    ];
    expect(all.map((facts) => haveSameShape(facts, all[0] as object))).toEqual(all.map(() => true));
    expect(all.map(({ stream }) => stream)).toEqual([false, false, false, false]);
  });

  it('what a run came to, with and without the figures of its engine', () => {
    const silent = {
      finishReason: undefined,
      promptTokens: undefined,
      cachedTokens: undefined,
      outputTokens: undefined,
      prefillMs: undefined,
      decodeMs: undefined,
    };
    const told = {
      ...silent,
      finishReason: 'stop',
      promptTokens: 12,
      outputTokens: 64,
      prefillMs: 24.5,
      decodeMs: 640,
    };
    const all = [
      actualOf(told, { e2eMs: 700.25, queueMs: 0.5, loadMs: 0, attempts: 1 }),
      actualOf(silent, { e2eMs: 3 }),
      actualOf(told, { e2eMs: 9, ttftMs: 4, preempted: 1, lostMs: 3 }),
    ];
    expect(all.map((actual) => haveSameShape(actual, all[0] as object))).toEqual([true, true, true]);
    expect(all[0]).toMatchObject({ e2eMs: 700.25, ttftMs: 60.25, outputTokens: 64 });
  });
});
