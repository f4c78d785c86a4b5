import type { Task } from '../core/classes.ts';

type Keyword = { readonly task: Task; readonly weight: number };

// Weight 2 names a task alone; weight 1 needs a second sign or a place among the first words of the message.
// Words are lower case, whole words, English then German. A word stands under one task only.
const WORDS: readonly { readonly task: Task; readonly weight: number; readonly words: string }[] = [
  {
    task: 'summarize',
    weight: 2,
    words:
      'summarize summarise summary summarizing tldr recap condense abstract zusammenfassen zusammenfassung fasse kurzfassung',
  },
  {
    task: 'rewrite',
    weight: 2,
    words:
      'translate translation rewrite rephrase paraphrase proofread reword polish \u00fcbersetze \u00fcbersetzen \u00fcbersetzung umformulieren formuliere korrigiere lektoriere',
  },
  { task: 'rewrite', weight: 1, words: 'grammar spelling tone grammatik rechtschreibung stil' },
  {
    task: 'extract',
    weight: 2,
    words: 'extract classify categorize categorise label extrahiere extrahieren klassifiziere kategorisiere',
  },
  { task: 'extract', weight: 1, words: 'json csv fields entities sentiment category felder tabelle' },
  {
    task: 'code',
    weight: 2,
    words:
      'python javascript typescript rust golang kotlin sql regex bash dockerfile refactor debug stacktrace traceback compile segfault unittest npm pip cmake css html programmiere quelltext',
  },
  {
    task: 'code',
    weight: 1,
    words:
      'function code class bug exception script api java compiler implement variable loop array funktion skript klasse schleife fehler implementiere const import def async',
  },
  {
    task: 'reasoning',
    weight: 2,
    words:
      'prove proof theorem calculate equation integral derivative solve probability puzzle beweise berechne gleichung ableitung l\u00f6se wahrscheinlichkeit r\u00e4tsel',
  },
  {
    task: 'reasoning',
    weight: 1,
    words: 'step steps math logic percent sum average schritt mathe logik prozent summe',
  },
  {
    task: 'creative',
    weight: 2,
    words: 'poem story haiku lyrics limerick brainstorm screenplay gedicht geschichte m\u00e4rchen liedtext',
  },
  { task: 'creative', weight: 1, words: 'creative imagine song character kreativ erfinde lied' },
];

/** Keyword to task and weight; lower-case whole words, English and German. */
export const KEYWORDS: ReadonlyMap<string, Keyword> = new Map(
  WORDS.flatMap(({ task, weight, words }) => words.split(' ').map((word) => [word, { task, weight }] as const)),
);
