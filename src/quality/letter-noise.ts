/**
 * How letters follow each other in the reference text, for telling words from noise ("xq vrtl kpz"). Only the Latin
 * alphabet is judged: the reference holds little else.
 */
export type LetterModel = {
  /** Count of each group of three letters (space included) and of its first two. */
  readonly triples: ReadonlyMap<string, number>;
  readonly starts: ReadonlyMap<string, number>;
};

/** Letters of the alphabet and the space: what may follow two letters. */
const FOLLOWERS = 27;
/** Fewer letters than this say nothing. */
const LETTERS_MIN = 80;

/** Counts the letter triples of a reference text. */
export function learnLetters(reference: string): LetterModel {
  const triples = new Map<string, number>();
  const starts = new Map<string, number>();
  const letters = plainLetters(reference);
  for (let at = 2; at < letters.length; at += 1) {
    const start = letters.slice(at - 2, at);
    const triple = start + letters[at];
    starts.set(start, (starts.get(start) ?? 0) + 1);
    triples.set(triple, (triples.get(triple) ?? 0) + 1);
  }
  return { triples, starts };
}

/**
 * Bits per letter of a text under the reference, add-one-tenth smoothed: 3 to 4 for English and German prose and for
 * most code, above 5 for random letters. Undefined for fewer than 80 Latin letters.
 */
export function bitsPerLetter({ triples, starts }: LetterModel, text: string): number | undefined {
  const letters = plainLetters(text);
  if (letters.length < LETTERS_MIN) return undefined;
  let bits = 0;
  for (let at = 2; at < letters.length; at += 1) {
    const start = letters.slice(at - 2, at);
    const seen = triples.get(start + letters[at]) ?? 0;
    bits -= Math.log2((seen + 0.1) / ((starts.get(start) ?? 0) + 0.1 * FOLLOWERS));
  }
  return bits / (letters.length - 2);
}

// Accents fall, everything that is no Latin letter becomes one space.
const plainLetters = (text: string): string =>
  text
    .normalize('NFD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/\u00df/g, 'ss')
    .replace(/[^a-z]+/g, ' ');
