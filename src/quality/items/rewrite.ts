import type { EvalCheck, EvalItem } from '../item.ts';

const rewrite = (id: string, instruction: string, check: EvalCheck): EvalItem => ({
  id: `rewrite-${id}`,
  task: 'rewrite',
  messages: [{ role: 'user', content: instruction }],
  maxTokens: 64,
  check,
});

/** Translations by their key words, and changes of form that have one result. */
export const REWRITE_ITEMS: readonly EvalItem[] = [
  rewrite('to-german', 'Translate into German, translation only: The dog is sleeping under the table.', {
    kind: 'contains',
    groups: [['hund'], ['schläft', 'schlaeft'], ['unter dem tisch', 'unterm tisch']],
    wordsMax: 12,
  }),
  rewrite('to-english', 'Translate into English, translation only: Morgen fahren wir mit dem Zug nach Wien.', {
    kind: 'contains',
    groups: [['tomorrow'], ['train'], ['vienna']],
    forbidden: ['morgen', 'wien '],
    wordsMax: 16,
  }),
  rewrite('to-french', 'Translate into French, one word only: water', { kind: 'exact', answers: ['eau', "l'eau"] }),
  rewrite('from-spanish', 'Translate into English, one word only: libro', { kind: 'exact', answers: ['book'] }),
  rewrite('upper', 'Write in capital letters, nothing else: good morning', {
    kind: 'exact',
    answers: ['GOOD MORNING'],
  }),
  rewrite('past', 'Put into the past tense, sentence only: She walks to school.', {
    kind: 'exact',
    answers: ['she walked to school'],
  }),
  rewrite('typos', 'Correct the spelling, sentence only: I recieved teh letter yesterday.', {
    kind: 'exact',
    answers: ['i received the letter yesterday'],
  }),
  rewrite('date', 'Write as YYYY-MM-DD, nothing else: 3 February 2021', { kind: 'exact', answers: ['2021-02-03'] }),
  rewrite('list', 'Write as a comma-separated list in alphabetical order, nothing else: pear, apple, fig', {
    kind: 'exact',
    answers: ['apple, fig, pear', 'apple,fig,pear'],
  }),
  rewrite('plural', 'Plural of "child", one word only.', { kind: 'exact', answers: ['children'] }),
];
