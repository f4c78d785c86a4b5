import { findOtherLanguage, type ProbeLanguage } from './language.ts';
import { bitsPerLetter, type LetterModel, learnLetters } from './letter-noise.ts';
import { findPastEnd } from './past-end.ts';
import { compressionRatio, distinctTrigramShare, findNumberedLoop, findTailLoop } from './repetition.ts';
import { learnWordOrder, type WordOrderModel, wordOrderScore } from './word-order.ts';
import { wordsOf } from './words.ts';

/** What an answer looks like when a model has fallen apart. */
export const DEGENERATION_SIGNS = [
  'loop',
  'word salad',
  'letter noise',
  'broken characters',
  'runs on',
  'wrong language',
  'no end',
  'empty',
] as const;
/** One of {@link DEGENERATION_SIGNS}. */
export type DegenerationSign = (typeof DEGENERATION_SIGNS)[number];

/** A sign with the figure that gave it away, e.g. `the last 96 words repeat 8 words`. ASCII, no text of the answer. */
export type Degeneration = { readonly sign: DegenerationSign; readonly detail: string };

/** What good text looks like, learned once from a reference. */
export type TextReference = { readonly order: WordOrderModel; readonly letters: LetterModel };

/** Learns a reference for {@link findDegeneration}; about 20 ms for 7,000 words. */
export const learnReference = (text: string): TextReference => ({
  order: learnWordOrder(text),
  letters: learnLetters(text),
});

/** What is known of the question and of the answer's end; what is not known is not judged. */
export type AskedFor = {
  /** Language of the question, where the answer has to be in it too. */
  readonly language?: ProbeLanguage | undefined;
  /** Tokens of an answer people would give, where many times as many can only mean that the model cannot stop. */
  readonly tokensEnough?: number | undefined;
  /** The engine's word for why it stopped, and the limit it had. */
  readonly finishReason?: string | undefined;
  readonly tokensMax?: number | undefined;
};

// Thresholds: scripts/quality-detectors.ts prints what they cost on answers that took no part in choosing them.
const COMPRESSION_MAX = 3.5;
/** Shorter texts do not reach a ratio of 3.5 whatever they repeat; the tail decides there. */
const COMPRESSION_CHARS_MIN = 600;
const DISTINCT_TRIGRAMS_MIN = 0.45;
const DISTINCT_WORDS_MIN = 60;
/** 95 of 100 shuffles of a text stand out less from its other shuffles than this: missing one in twenty is the price. */
const WORD_ORDER_MIN = 1.645;
/** The same for the last half alone, for answers that collapse on the way; the 90 % bound, because half the words tell less. */
const LAST_HALF_ORDER_MIN = 1.282;
/** A last half of fewer words is not judged by itself. */
const HALVES_WORDS_MIN = 80;
const LETTER_BITS_MAX = 5;
/** One damaged character may be a split emoji; more than one in two hundred is a broken tokenizer or conversion. */
const BROKEN_SHARE_MAX = 0.005;

/**
 * The first sign of degeneration an answer shows, or undefined for one that looks like text. Looks at form only: a wrong
 * answer in good sentences is no degeneration. About 5 ms per 1,000 characters.
 */
export function findDegeneration(
  text: string,
  reference: TextReference,
  asked: AskedFor = {},
): Degeneration | undefined {
  if (text.trim() === '') return { sign: 'empty', detail: 'the answer has no text' };
  return (
    broken(text) ??
    runningOn(text) ??
    looping(text) ??
    noisy(text, reference) ??
    foreign(text, asked) ??
    endless(asked) ??
    shuffled(text, reference)
  );
}

function runningOn(text: string): Degeneration | undefined {
  const mark = findPastEnd(text);
  return mark === undefined ? undefined : { sign: 'runs on', detail: `it goes on past its end with ${mark}` };
}

function foreign(text: string, { language }: AskedFor): Degeneration | undefined {
  const found = language === undefined ? undefined : findOtherLanguage(text, language);
  if (found === undefined) return undefined;
  const what = found === 'other' ? 'another script' : `language ${found}`;
  return { sign: 'wrong language', detail: `${what}, asked in ${language}` };
}

function endless({ tokensEnough, finishReason, tokensMax }: AskedFor): Degeneration | undefined {
  if (tokensEnough === undefined || finishReason !== 'length') return undefined;
  return { sign: 'no end', detail: `no end after ${tokensMax ?? 'all its'} tokens, ${tokensEnough} are enough` };
}

function broken(text: string): Degeneration | undefined {
  const count = text.split('\ufffd').length - 1;
  if (count < 2 || count <= text.length * BROKEN_SHARE_MAX) return undefined;
  return { sign: 'broken characters', detail: `${count} of ${text.length} characters are damaged` };
}

function looping(text: string): Degeneration | undefined {
  const words = wordsOf(text);
  // Marks alone can loop too (`| | | |`), and they are no words.
  const tail = findTailLoop(words) ?? findNumberedLoop(words) ?? findTailLoop(text.trim().split(/\s+/));
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
  if (score === undefined) return undefined;
  if (score < WORD_ORDER_MIN) return salad('its words', score);
  const pieces = text.trim().split(/\s+/);
  if (pieces.length < HALVES_WORDS_MIN) return undefined;
  const lastScore = wordOrderScore(order, pieces.slice(pieces.length >> 1).join(' '));
  if (lastScore === undefined || lastScore >= LAST_HALF_ORDER_MIN) return undefined;
  return salad('the last half of its words', lastScore);
}

const salad = (what: string, score: number): Degeneration => ({
  sign: 'word salad',
  detail: `the order of ${what} stands out from shuffles of them by ${score.toFixed(1)} sd, sentences by 3 or more`,
});
