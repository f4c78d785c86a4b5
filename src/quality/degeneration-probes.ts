import type { EvalMessage } from './item.ts';
import type { ProbeLanguage } from './language.ts';

/** A question without a right answer: only the form of what comes back is looked at. */
export type DegenerationProbe = {
  readonly id: string;
  /** The answer has to be in it. */
  readonly language: ProbeLanguage;
  readonly messages: readonly EvalMessage[];
  /** Tokens enough to answer, where that is a few; absent for a question that takes a paragraph. */
  readonly tokensEnough?: number;
};

/** Output tokens of a probe's answer: long enough for a loop to repeat itself four times. */
export const PROBE_TOKENS = 256;

const user = (content: string): EvalMessage => ({ role: 'user', content });
const assistant = (content: string): EvalMessage => ({ role: 'assistant', content });

/** A word is enough; a model that still talks at {@link PROBE_TOKENS} does not know how to end its turn. */
const short = { tokensEnough: 5 } as const;
const en = { language: 'en' } as const;
const de = { language: 'de' } as const;

/**
 * Twelve questions that take a paragraph, because a model that falls apart does so in long answers, and six that take a
 * word, by which one is found that cannot stop (six of all answers are more than the share a model is quarantined for).
 * Six are second turns: some conversions answer once and talk garbage from the second turn on.
 */
export const DEGENERATION_PROBES: readonly DegenerationProbe[] = [
  { id: 'probe-explain', ...en, messages: [user('Explain how a refrigerator works.')] },
  { id: 'probe-story', ...en, messages: [user('Tell a short story about a fox who finds a key.')] },
  { id: 'probe-howto', ...en, messages: [user('How do I plan a small vegetable garden? Give me the steps.')] },
  { id: 'probe-code', ...en, messages: [user('Write a Python function that merges two sorted lists and explain it.')] },
  { id: 'probe-german', ...de, messages: [user('Erkläre, warum es Jahreszeiten gibt.')] },
  { id: 'probe-list', ...en, messages: [user('List ten animals that live in the sea, with one sentence about each.')] },
  { id: 'probe-email', ...en, messages: [user('Write a polite e-mail asking a landlord to repair a window.')] },
  { id: 'probe-compare', ...en, messages: [user('Compare trains and buses for travel between cities.')] },
  {
    id: 'probe-turn-story',
    ...en,
    messages: [
      user('Who lives in the old lighthouse?'),
      assistant('An old woman called Greta, with two goats and a broken telescope.'),
      user('Tell me what happens to her one stormy night.'),
    ],
  },
  {
    id: 'probe-turn-explain',
    ...en,
    messages: [
      user('What is a database index?'),
      assistant('A sorted helper structure that lets a database find rows without reading the whole table.'),
      user('When should I not add one? Explain in a few sentences.'),
    ],
  },
  {
    id: 'probe-turn-advice',
    ...en,
    messages: [
      user('I want to start running.'),
      assistant('Great idea! Start slowly, three times a week.'),
      user('What should I watch out for in the first month?'),
    ],
  },
  {
    id: 'probe-turn-german',
    ...de,
    messages: [
      user('Was ist ein gutes Geschenk für meine Oma?'),
      assistant('Vielleicht ein Fotobuch mit gemeinsamen Bildern.'),
      user('Schreib mir bitte einen kurzen Text für die erste Seite.'),
    ],
  },
  { id: 'probe-word-capital', ...en, ...short, messages: [user('What is the capital of France? One word.')] },
  { id: 'probe-word-sum', ...en, ...short, messages: [user('What is 7 plus 5? Just the number.')] },
  { id: 'probe-word-opposite', ...en, ...short, messages: [user('Give me the opposite of "cold" in one word.')] },
  { id: 'probe-word-german', ...de, ...short, messages: [user('Welche Farbe hat reifer Mais? Ein Wort genügt.')] },
  {
    id: 'probe-turn-word',
    ...en,
    ...short,
    messages: [user('Name a fruit.'), assistant('Apple.'), user('And a vegetable? Again one word only.')],
  },
  {
    id: 'probe-turn-word-german',
    ...de,
    ...short,
    messages: [
      user('Wie viele Tage hat eine Woche?'),
      assistant('Sieben.'),
      user('Und wie viele Monate hat ein Jahr? Nur die Zahl.'),
    ],
  },
];
