import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HistoryPlan, type KvContent, kvAfterRun, planHistory } from '../../../../runtimes/rkllm/chat/history.ts';
import type { ChatMessage } from '../../../../runtimes/rkllm/chat/messages.ts';
import { familyTemplate, renderPrompt } from '../../../../runtimes/rkllm/chat/render.ts';

const chatml = familyTemplate('chatml');
const promptOf = (messages: readonly ChatMessage[]) => renderPrompt(chatml, { messages }).prompt;
const user = (content: string): ChatMessage => ({ role: 'user', content });
const said = (content: string): ChatMessage => ({ role: 'assistant', content });

function afterRun(messages: readonly ChatMessage[], output: string, ended = true): KvContent {
  const plan = planHistory(undefined, { prompt: promptOf(messages) });
  return kvAfterRun(undefined, plan, { output, ended });
}

describe('planHistory', () => {
  it('goes on from a conversation that was extended', () => {
    const kv = afterRun([user('a')], 'b');
    expect(planHistory(kv, { prompt: promptOf([user('a'), said('b'), user('c')]) })).toEqual({
      kind: 'append',
      text: '<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n',
    });
  });

  const reasons: readonly (readonly [string, KvContent | undefined, { prompt: string; lora?: string }, RegExp])[] = [
    ['the cache is empty', undefined, { prompt: 'x' }, /empty/],
    ['the answer was changed', afterRun([user('a')], 'b'), { prompt: promptOf([user('a'), said('B')]) }, /another/],
    ['a message was changed', afterRun([user('a')], 'b'), { prompt: promptOf([user('A'), said('b')]) }, /another/],
    [
      'the last answer was cut short',
      afterRun([user('a')], 'b', false),
      { prompt: promptOf([user('a')]) },
      /cut short/,
    ],
    ['the adapter is another', afterRun([user('a')], ''), { prompt: `${promptOf([user('a')])}x`, lora: 'l' }, /LoRA/],
    ['nothing was added', { text: 'x', lora: undefined, ended: true }, { prompt: 'x' }, /nothing/],
  ];
  it.each(reasons)('clears when %s', (_, kv, next, reason) => {
    expect(planHistory(kv, next)).toEqual({ kind: 'clear', text: next.prompt, reason: expect.stringMatching(reason) });
  });

  it('whatever the course, the cache holds exactly the prompt it is asked about', () => {
    const turns = fc.array(
      fc.record({
        prompt: fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 }),
        output: fc.constantFrom('', 'a', 'b'),
        ended: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(turns, (runs) => {
        let kv: KvContent | undefined;
        for (const { prompt, output, ended } of runs) {
          const plan: HistoryPlan = planHistory(kv, { prompt });
          const before = plan.kind === 'append' ? (kv?.text ?? '') : '';
          expect(before + plan.text).toBe(prompt);
          kv = kvAfterRun(kv, plan, { output, ended });
          expect(kv.text).toBe(prompt + output);
        }
      }),
    );
  });
});
