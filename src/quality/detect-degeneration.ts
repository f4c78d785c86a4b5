import { bitsPerLetter, type LetterModel, learnLetters } from './letter-noise.ts';
import { compressionRatio, distinctTrigramShare, findTailLoop } from './repetition.ts';
import { learnWordOrder, type WordOrderModel, wordOrderScore } from './word-order.ts';
import { wordsOf } from './words.ts';

/** What an answer looks like when a model has fallen apart. */
export const DEGENERATION_SIGNS = ['loop', 'word salad', 'letter noise', 'broken characters', 'empty'] as const;
/** One of {@link DEGENERATION_SIGNS}. */
export type DegenerationSign = (typeof DEGENERATION_SIGNS)[number];

/** A sign with the figure that gave it away, e.g. `the last 96 words repeat 8 words`. ASCII, no text of the answer. */
export type Degeneration = { readonly sign: DegenerationSign; readonly detail: string };

/** What good text looks like, learned once from a reference. */
export type TextReference = { readonly order: WordOrderModel; readonly letters: LetterModel };

/** Learns a reference for {@link findDegeneration}; about 10 ms for 4,000 words. */
export const learnReference = (text: string): TextReference => ({
  order: learnWordOrder(text),
  letters: learnLetters(text),
});

// Thresholds: scripts/quality-detectors.ts prints what they cost on answers that took no part in choosing them.
const COMPRESSION_MAX = 3.5;
/** Shorter texts do not reach a ratio of 3.5 whatever they repeat; the tail decides there. */
const COMPRESSION_CHARS_MIN = 600;
const DISTINCT_TRIGRAMS_MIN = 0.45;
const DISTINCT_WORDS_MIN = 60;
const WORD_ORDER_MIN = -0.05;
const LETTER_BITS_MAX = 5;
/** One damaged character may be a split emoji; more than one in two hundred is a broken tokenizer or conversion. */
const BROKEN_SHARE_MAX = 0.005;

/**
 * The first sign of degeneration an answer shows, or undefined for one that looks like text. Looks at form only: a wrong
 * answer in good sentences is no degeneration. About 0.3 ms per 1,000 characters.
 */
export function findDegeneration(text: string, reference: TextReference): Degeneration | undefined {
  if (text.trim() === '') return { sign: 'empty', detail: 'the answer has no text' };
  return broken(text) ?? looping(text) ?? noisy(text, reference) ?? shuffled(text, reference);
}

function broken(text: string): Degeneration | undefined {
  const count = text.split('\ufffd').length - 1;
  if (count < 2 || count <= text.length * BROKEN_SHARE_MAX) return undefined;
  return { sign: 'broken characters', detail: `${count} of ${text.length} characters are damaged` };
}

function looping(text: string): Degeneration | undefined {
  const words = wordsOf(text);
  // Marks alone can loop too (`| | | |`), and they are no words.
  const tail = findTailLoop(words) ?? findTailLoop(text.trim().split(/\s+/));
  if (tail !== undefined) {
    return { sign: 'loop', detail: `the last ${tail.words} words repeat ${tail.periodWords}` };
  }
  const distinct = distinctTrigramShare(words);
  if (words.length >= DISTINCT_WORDS_MIN && distinct < DISTINCT_TRIGRAMS_MIN) {
    return { sign: 'loop', detail: `only ${Math.round(distinct * 100)} % of its word triples are different` };
  }
  const ratio = text.length < COMPRESSION_CHARS_MIN ? 1 : compressionRatio(text);
  if (ratio <= COMPRESSION_MAX) return undefined;
  return { sign: 'loop', detail: `deflates to 1/${ratio.toFixed(1)}, good text to 1/2.8 at most` };
}

function noisy(text: string, { letters }: TextReference): Degeneration | undefined {
  const bits = bitsPerLetter(letters, text);
  if (bits === undefined || bits <= LETTER_BITS_MAX) return undefined;
  return { sign: 'letter noise', detail: `${bits.toFixed(1)} bits per letter, words have 3 to 4` };
}

function shuffled(text: string, { order }: TextReference): Degeneration | undefined {
  const score = wordOrderScore(order, text);
  if (score === undefined || score >= WORD_ORDER_MIN) return undefined;
  return { sign: 'word salad', detail: `word order scores ${score.toFixed(2)}, sentences ${WORD_ORDER_MIN} or more` };
}
