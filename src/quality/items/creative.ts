import type { EvalCheck, EvalItem } from '../item.ts';

const write = (id: string, instruction: string, check: EvalCheck, maxTokens = 96): EvalItem => ({
  id: `creative-${id}`,
  task: 'creative',
  messages: [{ role: 'user', content: instruction }],
  maxTokens,
  check,
});

/** No program can judge a poem, but it can see whether what was asked for is there and nothing else. */
export const CREATIVE_ITEMS: readonly EvalItem[] = [
  write('two-lines', 'Write a rhyme of exactly two lines about the sea. Nothing else.', {
    kind: 'contains',
    groups: [['sea', 'wave', 'ocean', 'tide', 'shore']],
    linesExact: 2,
  }),
  write('words', 'Write one sentence that contains the words "lantern", "river" and "Tuesday".', {
    kind: 'contains',
    groups: [['lantern'], ['river'], ['tuesday']],
    wordsMax: 45,
  }),
  write('title', 'Invent a title of at most five words for a story about a lost cat. Title only.', {
    kind: 'contains',
    groups: [['']],
    wordsMax: 5,
  }),
  write('names', 'Invent three names for a bakery, one per line, nothing else.', {
    kind: 'contains',
    groups: [['']],
    linesExact: 3,
    wordsMax: 24,
  }),
  write('no-letter', 'Describe rain in one sentence without using the word "water" or "wet".', {
    kind: 'contains',
    groups: [['rain', 'drop', 'sky', 'cloud', 'fall']],
    forbidden: ['water', 'wet'],
    wordsMax: 45,
  }),
  write('dialogue', 'Write a dialogue of exactly two lines. The first line begins with "A:", the second with "B:".', {
    kind: 'contains',
    groups: [['a:'], ['b:']],
    linesExact: 2,
  }),
  write('de-satz', 'Schreibe genau einen Satz über den Herbst, in dem das Wort "Nebel" vorkommt.', {
    kind: 'contains',
    groups: [['nebel']],
    wordsMax: 45,
  }),
  write('haiku', 'Write a haiku about snow: three lines, nothing else.', {
    kind: 'contains',
    groups: [['']],
    linesExact: 3,
    wordsMax: 24,
  }),
];
