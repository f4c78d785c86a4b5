import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { createPrefixMarker, type PrefixMarks } from '../../src/core/prefix-marks.ts';
import type { PrefixCacheFacts } from '../../src/core/profile.ts';
import { createPrefixMemory, forgetsPrompts, type PrefixMemory } from '../../src/serve/prefix-memory.ts';

const model = modelId('m');
const facts: PrefixCacheFacts = {
  slots: 1,
  ramBytes: 2 ** 20,
  bytesPerToken: 100,
  reuse: 'anywhere',
  checkpointStep: 8_192,
};

/** Text of so many characters that no other name shares. */
const words = (name: string, chars: number): string =>
  Array.from({ length: Math.ceil(chars / 8) }, (_, index) => `${name}${index % 97} `.padEnd(8, '-'))
    .join('')
    .slice(0, chars);

/** A conversation of user and assistant in turn; the first message is the system's. */
function prompt(...texts: readonly string[]): PrefixMarks {
  const marker = createPrefixMarker();
  for (const [index, text] of texts.entries()) {
    marker.begin(index === 0 ? 'system' : index % 2 === 1 ? 'user' : 'assistant');
    marker.text(text);
    marker.end();
  }
  return marker.marks();
}

const weight = (marks: PrefixMarks) => (marks.chars.at(-1) ?? 0) + 18 * (marks.messages.at(-1) ?? 0);
/** Four characters to a token here. */
const tokensOf = (marks: PrefixMarks) => Math.round(weight(marks) / 4);
const shareIn = (memory: PrefixMemory, marks: PrefixMarks) => memory.view(model)?.cachedShare(marks) ?? 0;

/** One run whose engine finds `found` of what the memory promised before trust (default: all of it). */
function run(memory: PrefixMemory, marks: PrefixMarks, told: { cachedTokens?: number; outputTokens?: number } = {}) {
  const promptTokens = tokensOf(marks);
  const cachedTokens = told.cachedTokens ?? Math.round(shareIn(memory, marks) * promptTokens);
  const outputTokens = told.outputTokens ?? 25;
  memory.begin(model, marks)?.end({ promptTokens, cachedTokens, outputTokens, promptRead: 1 });
}

const remembering = (given: Partial<PrefixCacheFacts> = {}) => {
  const fixed = { ...facts, ...given };
  return createPrefixMemory(() => fixed);
};

const system = words('system', 2_000);

describe('createPrefixMemory', () => {
  it('promises nothing before anything was read, nor of a model whose cache nobody knows', () => {
    expect(remembering().view(model)).toBeUndefined();
    const unknown = createPrefixMemory(() => undefined);
    expect(unknown.begin(model, prompt(system))).toBeUndefined();
    expect(unknown.view(model)).toBeUndefined();
  });

  it('promises the next turn of a conversation what was read and written before', () => {
    const memory = remembering();
    run(memory, prompt(system, words('a', 200)));
    const next = prompt(system, words('a', 200), words('answer', 80), words('b', 300));
    expect(shareIn(memory, next)).toBeCloseTo(1 - (300 + 18) / weight(next), 2);
  });

  it('promises another conversation with the same system text that much', () => {
    const memory = remembering();
    run(memory, prompt(system, words('a', 600)));
    const other = prompt(system, words('z', 600));
    expect(shareIn(memory, other)).toBeCloseTo(2_018 / weight(other), 2);
  });

  it('promises a prompt with another beginning nothing', () => {
    const memory = remembering();
    run(memory, prompt(system, words('a', 600)));
    expect(shareIn(memory, prompt(words('other', 2_000), words('a', 600)))).toBe(0);
  });

  it('keeps a displaced conversation in RAM and finds it there', () => {
    const memory = remembering();
    const first = prompt(system, words('a', 4_000));
    run(memory, first);
    run(memory, prompt(words('other', 3_000), words('z', 500)));
    expect(shareIn(memory, first)).toBe(1);
    expect(shareIn(remembering({ ramBytes: 0 }), first)).toBe(0);
  });

  it('loses what a conversation had beyond the system text to one that shares more than half of it', () => {
    const memory = remembering();
    const first = prompt(system, words('a', 1_000));
    run(memory, first);
    run(memory, prompt(system, words('z', 200)));
    expect(shareIn(memory, first)).toBeCloseTo(2_018 / weight(first), 1);
  });

  it('forgets the oldest in RAM when the cap is reached', () => {
    // Each prompt has some 1,500 tokens, 150 kB at 100 bytes: two fit.
    const memory = remembering({ ramBytes: 320_000 });
    const prompts = ['a', 'b', 'c', 'd'].map((name) => prompt(words(name, 6_000)));
    for (const one of prompts) run(memory, one);
    expect(prompts.map((one) => shareIn(memory, one) > 0.9)).toEqual([false, true, true, true]);
  });

  it('gives several slots a conversation each', () => {
    const memory = remembering({ slots: 2, ramBytes: 0 });
    const [first, second] = [prompt(words('a', 3_000)), prompt(words('b', 3_000))];
    run(memory, first);
    run(memory, second);
    expect([shareIn(memory, first), shareIn(memory, second)]).toEqual([1, 1]);
    run(memory, prompt(words('c', 3_000)));
    expect(shareIn(memory, first)).toBe(0);
    expect(shareIn(memory, second)).toBe(1);
  });

  it('promises an engine that appends only all of a conversation or nothing', () => {
    const memory = remembering({ reuse: 'append', ramBytes: 0 });
    run(memory, prompt(system, words('a', 200)));
    expect(shareIn(memory, prompt(system, words('z', 200)))).toBe(0);
    expect(shareIn(memory, prompt(system, words('a', 200)))).toBe(0);
    expect(shareIn(memory, prompt(system, words('a', 200), words('answer', 80), words('b', 40)))).toBeGreaterThan(0.9);
  });

  it('promises an engine that cannot go back only what lies before its last checkpoint', () => {
    const memory = remembering({ reuse: 'checkpoints', checkpointStep: 256 });
    const first = prompt(words('system', 4_000), words('a', 2_000));
    run(memory, first);
    const branched = prompt(words('system', 4_000), words('z', 2_000));
    const tokens = shareIn(memory, branched) * tokensOf(branched);
    expect(tokens).toBeGreaterThan(700);
    expect(Math.abs(tokens / 256 - Math.round(tokens / 256))).toBeLessThan(0.02);
    const without = remembering({ reuse: 'checkpoints', checkpointStep: 8_192 });
    run(without, first);
    expect(shareIn(without, branched)).toBe(0);
  });

  it('counts what was read of a prompt that was given up', () => {
    const memory = remembering();
    const marks = prompt(words('a', 10_000));
    memory.begin(model, marks)?.end({ promptRead: 0.5 });
    expect(shareIn(memory, marks)).toBeCloseTo(0.5, 2);
  });

  it('soon promises nothing of a model that never keeps its prompts', () => {
    const memory = remembering();
    const marks = prompt(system, words('a', 600));
    run(memory, marks);
    const promises = [];
    for (let turn = 0; turn < 8; turn += 1) {
      promises.push(shareIn(memory, marks));
      run(memory, marks, { cachedTokens: 0 });
    }
    expect(promises[0]).toBe(1);
    expect(promises.toSorted((a, b) => b - a)).toEqual(promises);
    expect(promises[7]).toBeLessThan(0.15);
  });

  it('comes back to its promises when the model keeps them again', () => {
    const memory = remembering();
    const marks = prompt(system, words('a', 600));
    for (let turn = 0; turn < 6; turn += 1) run(memory, marks, { cachedTokens: 0 });
    for (let turn = 0; turn < 20; turn += 1) run(memory, marks, { cachedTokens: tokensOf(marks) });
    expect(shareIn(memory, marks)).toBeGreaterThan(0.9);
  });

  it('learns that answers come back as other tokens, without blaming the rest of the prompt', () => {
    const memory = remembering();
    const texts = [system, words('q', 100)];
    for (let turn = 0; turn < 4; turn += 1) {
      const marks = prompt(...texts);
      const before = Math.max(0, texts.length - 2);
      const known = turn === 0 ? 0 : tokensOf(prompt(...texts.slice(0, before)));
      run(memory, marks, { cachedTokens: known, outputTokens: 250 });
      texts.push(words(`answer${turn}`, 1_000), words(`q${turn}`, 100));
    }
    const next = prompt(...texts);
    const known = tokensOf(prompt(...texts.slice(0, -2)));
    expect(shareIn(memory, next) * tokensOf(next)).toBeGreaterThan(0.95 * known);
    expect(shareIn(memory, next) * tokensOf(next)).toBeLessThan(1.05 * known);
  });

  it('forgets the prompts of a process that has gone, and keeps what it learned of the model', () => {
    const memory = remembering();
    const marks = prompt(system, words('a', 600));
    run(memory, marks);
    for (let turn = 0; turn < 3; turn += 1) run(memory, marks, { cachedTokens: 0 });
    memory.forget(model);
    expect(memory.view(model)).toBeUndefined();
    run(memory, marks, { cachedTokens: 0 });
    expect(shareIn(memory, marks)).toBeLessThan(0.5);
  });

  it('lets a run that began before its process went change nothing afterwards', () => {
    const memory = remembering();
    const marks = prompt(system, words('a', 600));
    const begun = memory.begin(model, marks);
    memory.forget(model);
    begun?.end({ promptTokens: 600, cachedTokens: 0, outputTokens: 5, promptRead: 1 });
    expect(memory.view(model)).toBeUndefined();
  });

  it('promises a share of a prompt, whatever came before', () => {
    const texts = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 6 });
    const reuse = fc.constantFrom<PrefixCacheFacts['reuse']>('anywhere', 'append', 'checkpoints');
    const shape = fc.record({ slots: fc.integer({ min: 1, max: 3 }), ramBytes: fc.constantFrom(0, 200_000), reuse });
    fc.assert(
      fc.property(shape, fc.array(texts, { maxLength: 20 }), (given, prompts) => {
        const memory = remembering({ ...given, checkpointStep: 64 });
        for (const one of prompts) {
          const marks = prompt(...one.map((name) => words(`t${name}`, 300 + 100 * name)));
          const share = shareIn(memory, marks);
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1);
          run(memory, marks);
        }
      }),
    );
  });
});

describe('forgetsPrompts', () => {
  it('is true of every state but those in which the process serves', () => {
    const states = ['starting', 'loading', 'ready', 'busy', 'draining', 'stopped', 'backoff', 'failed'];
    expect(states.filter((state) => !forgetsPrompts(state))).toEqual(['ready', 'busy']);
  });
});
