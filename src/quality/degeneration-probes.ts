import type { EvalMessage } from './item.ts';

/** A question that takes a paragraph to answer; a model that falls apart does so in long answers. */
export type DegenerationProbe = { readonly id: string; readonly messages: readonly EvalMessage[] };

/** Output tokens of a probe's answer: long enough for a loop to repeat itself four times. */
export const PROBE_TOKENS = 256;

const user = (content: string): EvalMessage => ({ role: 'user', content });
const assistant = (content: string): EvalMessage => ({ role: 'assistant', content });

/**
 * Twelve questions over the tasks, four of them second turns: some conversions answer once and talk garbage from the
 * second turn on.
 */
export const DEGENERATION_PROBES: readonly DegenerationProbe[] = [
  { id: 'probe-explain', messages: [user('Explain how a refrigerator works.')] },
  { id: 'probe-story', messages: [user('Tell a short story about a fox who finds a key.')] },
  { id: 'probe-howto', messages: [user('How do I plan a small vegetable garden? Give me the steps.')] },
  { id: 'probe-code', messages: [user('Write a Python function that merges two sorted lists and explain it.')] },
  { id: 'probe-german', messages: [user('Erkläre, warum es Jahreszeiten gibt.')] },
  { id: 'probe-list', messages: [user('List ten animals that live in the sea, with one sentence about each.')] },
  { id: 'probe-email', messages: [user('Write a polite e-mail asking a landlord to repair a window.')] },
  { id: 'probe-compare', messages: [user('Compare trains and buses for travel between cities.')] },
  {
    id: 'probe-turn-story',
    messages: [
      user('Who lives in the old lighthouse?'),
      assistant('An old woman called Greta, with two goats and a broken telescope.'),
      user('Tell me what happens to her one stormy night.'),
    ],
  },
  {
    id: 'probe-turn-explain',
    messages: [
      user('What is a database index?'),
      assistant('A sorted helper structure that lets a database find rows without reading the whole table.'),
      user('When should I not add one? Explain in a few sentences.'),
    ],
  },
  {
    id: 'probe-turn-advice',
    messages: [
      user('I want to start running.'),
      assistant('Great idea! Start slowly, three times a week.'),
      user('What should I watch out for in the first month?'),
    ],
  },
  {
    id: 'probe-turn-german',
    messages: [
      user('Was ist ein gutes Geschenk für meine Oma?'),
      assistant('Vielleicht ein Fotobuch mit gemeinsamen Bildern.'),
      user('Schreib mir bitte einen kurzen Text für die erste Seite.'),
    ],
  },
];
