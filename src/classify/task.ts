import { TASKS, type Task } from '../core/classes.ts';
import type { RequestFacts } from '../core/request.ts';
import { KEYWORDS } from './task-words.ts';

/** The task and the signals that spoke for it; never text of the prompt itself beyond listed keywords. */
export type TaskGuess = { readonly task: Task; readonly evidence: string };

/** Only this many UTF-16 units at each end of a long message are read: the instruction stands first or last. */
const SCANNED_CHARS_PER_END = 2000;
/** Signals below this weight are noise: one weak word does not name a task. */
const WEIGHT_MIN = 2;
/** Words at the start of a message are usually its verb: `summarize the following`. */
const LEADING_WORDS = 6;

const QUESTION_WORDS: ReadonlySet<string> = new Set(
  'what who whom whose which when where why how is are does do did can was wer wen wem wann wo warum wieso weshalb wie welche welcher welches ist sind gibt'.split(
    ' ',
  ),
);

/**
 * Guesses what the last user message is about from listed English and German words, code fences and question marks.
 * `chat` where nothing speaks clearly. Cost is bounded: at most 4,000 characters are looked at, once.
 */
export function detectTask(facts: RequestFacts): TaskGuess {
  const text = scannedText(facts.lastUserText).toLowerCase();
  const scores = new Map<Task, number>();
  const evidence: string[] = [];
  scoreShape(facts, text, scores, evidence);
  const firstWord = scoreWords(text, scores, evidence);
  const best = heaviest(scores);
  if (best !== undefined) return { task: best, evidence: evidence.slice(0, 4).join(', ') };
  if (QUESTION_WORDS.has(firstWord) || text.trimEnd().endsWith('?')) return { task: 'qa', evidence: 'a question' };
  return { task: 'chat', evidence: 'nothing more specific' };
}

function scannedText(text: string): string {
  if (text.length <= 2 * SCANNED_CHARS_PER_END) return text;
  return `${text.slice(0, SCANNED_CHARS_PER_END)}\n${text.slice(-SCANNED_CHARS_PER_END)}`;
}

function scoreShape(facts: RequestFacts, text: string, scores: Map<Task, number>, evidence: string[]): void {
  if (text.includes('```')) add(scores, evidence, 'code', 3, 'code fence');
  if (facts.responseFormat === 'json_schema') add(scores, evidence, 'extract', 2, 'json schema');
}

// Walks the text once by character code: a Unicode regular expression over 4,000 characters costs ten times as much.
function scoreWords(text: string, scores: Map<Task, number>, evidence: string[]): string {
  const seen = new Set<string>();
  let firstWord = '';
  let wordCount = 0;
  let start = -1;
  for (let at = 0; at <= text.length; at += 1) {
    if (isWordUnit(text.charCodeAt(at))) {
      if (start < 0) start = at;
      continue;
    }
    if (start < 0) continue;
    const word = text.slice(start, at);
    start = -1;
    wordCount += 1;
    if (wordCount === 1) firstWord = word;
    const keyword = KEYWORDS.get(word);
    if (keyword === undefined || seen.has(word)) continue;
    seen.add(word);
    add(scores, evidence, keyword.task, wordCount <= LEADING_WORDS ? keyword.weight + 1 : keyword.weight, word);
  }
  return firstWord;
}

// Letters, digits, underscore and everything beyond ASCII (umlauts among them). NaN, past the end, is none of these.
function isWordUnit(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 48 && unit <= 57) || unit === 95 || (unit >= 0xc0 && unit < 0x2000);
}

function add(scores: Map<Task, number>, evidence: string[], task: Task, weight: number, sign: string): void {
  scores.set(task, (scores.get(task) ?? 0) + weight);
  evidence.push(sign);
}

// Equal weight goes to the task listed first in TASKS, so that the answer does not depend on word order.
function heaviest(scores: ReadonlyMap<Task, number>): Task | undefined {
  let best: Task | undefined;
  let bestWeight = WEIGHT_MIN - 1;
  for (const task of TASKS) {
    const weight = scores.get(task) ?? 0;
    if (weight > bestWeight) {
      best = task;
      bestWeight = weight;
    }
  }
  return best;
}
