import { deflateSync } from 'node:zlib';

/** Words a tail must repeat before it counts as a loop: shorter refrains stand in songs, tables and lists. */
const TAIL_WORDS_MIN = 24;
/** Periods a tail must hold: twice the same may be emphasis, three times is a loop. */
const PERIODS_MIN = 3;
/** Longest period looked for, in words: a paragraph. */
const PERIOD_WORDS_MAX = 120;

/** A text that ends in the same words again and again. */
export type TailLoop = {
  /** Length of the repeated part, words. */
  readonly periodWords: number;
  /** Words from where it begins to repeat to the end, the first period included. */
  readonly words: number;
};

/**
 * The shortest period that the end of a text repeats at least three times over at least 24 words; undefined for a text
 * that does not end in a loop. A loop that was left again is none: the model found its way out.
 */
export function findTailLoop(words: readonly string[]): TailLoop | undefined {
  const longest = Math.min(PERIOD_WORDS_MAX, Math.floor(words.length / PERIODS_MIN));
  for (let period = 1; period <= longest; period += 1) {
    const looped = loopedWords(words, period);
    if (looped >= Math.max(TAIL_WORDS_MIN, PERIODS_MIN * period)) return { periodWords: period, words: looped };
  }
  return undefined;
}

/** A numbered loop repeats this often, and at least so many words besides its number; numbered tables repeat fewer. */
const NUMBERED_PERIODS_MIN = 5;
const NUMBERED_WORDS_MIN = 3;

/**
 * Like {@link findTailLoop} for a list that says the same under the next number again and again: the period holds exactly
 * one number, which may change, and at least three other words, and comes five times or more. Undefined for any other text.
 */
export function findNumberedLoop(words: readonly string[]): TailLoop | undefined {
  const masked = words.map((word) => (NUMBER.test(word) ? '#' : word));
  const loop = findTailLoop(masked);
  if (loop === undefined || loop.words < NUMBERED_PERIODS_MIN * loop.periodWords) return undefined;
  const period = masked.slice(-loop.periodWords);
  const numbers = period.filter((word) => word === '#').length;
  return numbers === 1 && period.length - numbers >= NUMBERED_WORDS_MIN ? loop : undefined;
}

const NUMBER = /^\p{N}+$/u;

// Words at the end that each equal the one a period before, plus the period they repeat.
function loopedWords(words: readonly string[], period: number): number {
  let at = words.length - 1;
  while (at >= period && words[at] === words[at - period]) at -= 1;
  const repeated = words.length - 1 - at;
  return repeated === 0 ? 0 : repeated + period;
}

/**
 * Different groups of three words over all groups of three, 0..1. Good prose lies above 0.9 (lowest of 92 answers:
 * 0.92), a text of two loops below 0.45. 1 for fewer than three words.
 */
export function distinctTrigramShare(words: readonly string[]): number {
  if (words.length < 3) return 1;
  const seen = new Set<string>();
  for (let at = 2; at < words.length; at += 1) seen.add(`${words[at - 2]} ${words[at - 1]} ${words[at]}`);
  return seen.size / (words.length - 2);
}

/**
 * Bytes of the text over its deflated bytes. Good answers of 100 to 1,000 characters lie between 1.4 and 2, long prose
 * below 2.8; loops go beyond 3.5. 1 for an empty text.
 */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text);
  return bytes.length === 0 ? 1 : bytes.length / deflateSync(bytes).length;
}
