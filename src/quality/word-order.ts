import { seededRandom } from '../core/random.ts';
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
const FREQUENT_WORDS = 600;
/** A frequent word occurs at least so often. */
const FREQUENT_MIN = 3;
/** Fewer words than this say nothing: the score of a good answer of 20 words scatters as far as that of a shuffled one. */
const WORDS_MIN = 40;
/**
 * Below this share of known words a text is no prose in a language of the reference. Prose that was left out of it has
 * 0.43 to 0.7 over a hundred words and scatters by 0.08 over forty; lists of changes 0.33, French and Spanish 0.1.
 */
const KNOWN_SHARE_MIN = 0.35;
/** Shuffles a text is compared with; with 40 the bound in standard deviations is known to a tenth. */
const SHUFFLES = 40;
const SHUFFLE_SEED = 0x51_1c_e0_03;
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
 * How far the order of a text's words stands out from chance: the mean over adjacent words of ln(how often the pair stands
 * in the reference / how often it would by chance), less the mean of 40 shuffles of the same words, in standard deviations
 * of those shuffles. Code blocks are left out. Shuffled words lie around 0 by construction, whatever the language, the length and the choice of
 * words; prose of 60 words lies above 2.7. A fixed bound on the pair score itself was tried and depended on all three:
 * German missed it half of the time. Always the same for the same text. Undefined where it says nothing: for fewer than 40
 * words, scripts without spaces, languages the reference does not hold, and what is no prose (tables, JSON, formulas).
 */
export function wordOrderScore(model: WordOrderModel, text: string): number | undefined {
  const prose = text.replace(CODE_BLOCK, ' ');
  if (!isKnownProse(wordsOf(prose), model.frequent)) return undefined;
  const units = prose
    .split(/\s+/)
    .map(orderedWords)
    .filter((unit) => unit.length > 0);
  // What stands together without a space ("end.", "don't") stays together: a model that shuffles words keeps it so too.
  const classes = units.map((unit) => unit.map((word) => classOf(word, model.frequent)));
  const scoreOf = createPairSum(model);
  const next = seededRandom(SHUFFLE_SEED);
  const own = scoreOf(classes.flat());
  const shuffled = Array.from({ length: SHUFFLES }, () => scoreOf(shuffle(classes, next).flat()));
  const middle = shuffled.reduce((sum, score) => sum + score, 0) / SHUFFLES;
  const variance = shuffled.reduce((sum, score) => sum + (score - middle) ** 2, 0) / (SHUFFLES - 1);
  // One word again and again has no order to shuffle; finding loops is not this detector's work.
  return variance === 0 ? undefined : (own - middle) / Math.sqrt(variance);
}

const CODE_BLOCK = /```[^\n]*\n[\s\S]*?```/g;

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

/** Sums pair scores over a list of classes; each pair is looked up once for all shuffles. */
function createPairSum(model: WordOrderModel): (classes: readonly string[]) => number {
  const known = new Map<string, number>();
  return (classes) => {
    let sum = 0;
    for (let at = 1; at < classes.length; at += 1) {
      const key = `${classes[at - 1]} ${classes[at]}`;
      let score = known.get(key);
      if (score === undefined) {
        score = pairScore(model, classes[at - 1] ?? '', classes[at] ?? '');
        known.set(key, score);
      }
      sum += score;
    }
    return sum;
  };
}

// Fisher and Yates.
function shuffle<T>(items: readonly T[], next: () => number): readonly T[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(next() * (at + 1));
    const moved = mixed[at] as T;
    mixed[at] = mixed[other] as T;
    mixed[other] = moved;
  }
  return mixed;
}

// Smoothed towards chance by two expected counts, so that a pair never seen of two rare words says nothing.
function pairScore({ singles, pairs, total }: WordOrderModel, first: string, second: string): number {
  const expected = ((singles.get(first) ?? 0.5) * (singles.get(second) ?? 0.5)) / Math.max(1, total);
  const prior = 2 * Math.min(1, expected) + 0.02;
  const score = Math.log(((pairs.get(`${first} ${second}`) ?? 0) + prior) / (expected + prior));
  return Math.max(-PAIR_SCORE_MAX, Math.min(PAIR_SCORE_MAX, score));
}

// Marks and numbers do not count: a table of numbers is full of commas and is no prose.
function isKnownProse(words: readonly string[], frequent: ReadonlySet<string>): boolean {
  const lexical = words.filter((word) => !/^\d/.test(word));
  if (lexical.length < WORDS_MIN) return false;
  let known = 0;
  let withoutSpaces = 0;
  for (const word of lexical) {
    if (frequent.has(word)) known += 1;
    if (/^[\u3040-\u30ff\u3400-\u9fff]/.test(word)) withoutSpaces += 1;
  }
  return known >= lexical.length * KNOWN_SHARE_MIN && withoutSpaces <= lexical.length * 0.3;
}
