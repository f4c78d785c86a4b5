import { wordsOf } from './words.ts';

/**
 * Whether words stand next to each other as people put them. Compression and counts of repeated groups cannot tell
 * shuffled words from prose (they even prefer the shuffle), and a table of all word pairs would have to be huge. So rare
 * words are put into classes by their ending, frequent ones stand for themselves, and a few thousand words of reference
 * text are enough to know which pairs are common ("of the", "a ~ng") and which are not ("the of").
 */
export type WordOrderModel = {
  /** Words that stand for themselves. */
  readonly frequent: ReadonlySet<string>;
  readonly singles: ReadonlyMap<string, number>;
  /** Keys are two classes with a space between. */
  readonly pairs: ReadonlyMap<string, number>;
  readonly total: number;
};

/** Words of the reference that stand for themselves; with more, pairs become too rare to know. */
const FREQUENT_WORDS = 400;
/** A frequent word occurs at least so often. */
const FREQUENT_MIN = 3;
/** Fewer words than this say nothing: the score of a good answer of 20 words scatters as far as that of a shuffled one. */
const WORDS_MIN = 40;
/** Below this share of known words the text is in a language that the reference does not hold. */
const KNOWN_SHARE_MIN = 0.35;
/** One pair counts at most e^3 for or against: a text must not be judged by a single odd pair. */
const PAIR_SCORE_MAX = 3;

/** Counts the words and pairs of a reference text, some milliseconds for a few thousand words. */
export function learnWordOrder(reference: string): WordOrderModel {
  const words = orderedWords(reference);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const frequent = new Set(
    [...counts]
      .filter(([, count]) => count >= FREQUENT_MIN)
      .sort((a, b) => b[1] - a[1])
      .slice(0, FREQUENT_WORDS)
      .map(([word]) => word),
  );
  const singles = new Map<string, number>();
  const pairs = new Map<string, number>();
  let before: string | undefined;
  for (const word of words) {
    const current = classOf(word, frequent);
    singles.set(current, (singles.get(current) ?? 0) + 1);
    if (before !== undefined) pairs.set(`${before} ${current}`, (pairs.get(`${before} ${current}`) ?? 0) + 1);
    before = current;
  }
  return { frequent, singles, pairs, total: words.length };
}

/**
 * Mean over adjacent words of ln(how often the pair stands in the reference / how often it would by chance), about 0.1 to
 * 0.5 for prose in a language of the reference, below -0.1 for shuffled words. Undefined where it says nothing: for fewer
 * than 40 words, scripts without spaces, and languages the reference does not hold (few of its frequent words).
 */
export function wordOrderScore(model: WordOrderModel, text: string): number | undefined {
  const words = orderedWords(text);
  if (words.length < WORDS_MIN || shareOfScriptsWithoutSpaces(words) > 0.3) return undefined;
  if (knownShare(words, model.frequent) < KNOWN_SHARE_MIN) return undefined;
  let sum = 0;
  let before = classOf(words[0] ?? '', model.frequent);
  for (let at = 1; at < words.length; at += 1) {
    const current = classOf(words[at] ?? '', model.frequent);
    sum += pairScore(model, before, current);
    before = current;
  }
  return sum / (words.length - 1);
}

// Punctuation belongs to the order of a text: what stands before a comma is no accident.
const MARKS = /([.,;:!?])/g;
const orderedWords = (text: string): readonly string[] =>
  text.split(MARKS).flatMap((part) => (part.length === 1 && '.,;:!?'.includes(part) ? [part] : wordsOf(part)));

// The ending tells the part of speech in the languages we judge: -ed, -ly, -ng, -en, -ung.
function classOf(word: string, frequent: ReadonlySet<string>): string {
  if (frequent.has(word)) return word;
  if (/^\d/.test(word)) return '#';
  return `~${word.slice(-2)}${word.length > 6 ? '+' : ''}`;
}

// Smoothed towards chance by two expected counts, so that a pair never seen of two rare words says nothing.
function pairScore({ singles, pairs, total }: WordOrderModel, first: string, second: string): number {
  const expected = ((singles.get(first) ?? 0.5) * (singles.get(second) ?? 0.5)) / Math.max(1, total);
  const prior = 2 * Math.min(1, expected) + 0.02;
  const score = Math.log(((pairs.get(`${first} ${second}`) ?? 0) + prior) / (expected + prior));
  return Math.max(-PAIR_SCORE_MAX, Math.min(PAIR_SCORE_MAX, score));
}

function knownShare(words: readonly string[], frequent: ReadonlySet<string>): number {
  let known = 0;
  for (const word of words) if (frequent.has(word)) known += 1;
  return known / words.length;
}

function shareOfScriptsWithoutSpaces(words: readonly string[]): number {
  let without = 0;
  for (const word of words) if (/^[\u3040-\u30ff\u3400-\u9fff]/.test(word)) without += 1;
  return without / words.length;
}
