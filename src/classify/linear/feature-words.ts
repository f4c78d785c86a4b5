/** Cuts texts into words, and words into their beginnings and endings, as hashes: no text is copied. */

/** Calls `visit` with the hash of every word and the place behind it; signs are words of one character, so are Chinese, Japanese and Korean ones. */
export function eachWord(text: string, visit: (hash: number, end: number) => void): void {
  let hash = 0;
  let last = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = withDigitsAlike(text.charCodeAt(at));
    if (isInWord(unit)) {
      // A run of digits counts once, whatever its length.
      if (unit !== DIGIT || last !== DIGIT) hash = Math.imul((hash === 0 ? 0x811c9dc5 : hash) ^ unit, 0x01000193);
      last = unit;
      continue;
    }
    if (hash !== 0) visit(hash, at);
    hash = 0;
    // Repeated signs (rules, indentation, quotes) count once.
    if (unit > 32 && unit !== last) visit(Math.imul(unit + 7, 0x01000193) | 1, at + 1);
    last = unit;
  }
  if (hash !== 0) visit(hash, text.length);
}

const DIGIT = 48;
/** The unit itself, or 0 for every digit: numbers differ without meaning anything else. */
export const withDigitsAlike = (unit: number): number => (unit >= 48 && unit <= 57 ? DIGIT : unit);

// Letters, the digit sign, underscore and other alphabets; not ASCII or general punctuation, not the scripts without spaces.
function isInWord(unit: number): boolean {
  if (unit < 128) return (unit >= 97 && unit <= 122) || unit === DIGIT || unit === 95;
  return (unit >= 0xc0 && unit < 0x2000) || (unit >= 0xd800 && unit < 0xe000);
}

const PREFIX_CHARS = 4;
const SUFFIX_CHARS = 3;
/** Shorter words are told well enough by themselves. */
const AFFIXED_CHARS_MIN = 5;

/** Calls `visit` with the hash of the first four letters and with that of the last three, of every word of five letters or more. */
export function eachAffix(text: string, visit: (hash: number, isEnding: boolean) => void): void {
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    if (at < text.length && isLetter(text.charCodeAt(at))) continue;
    if (at - start >= AFFIXED_CHARS_MIN) {
      visit(hashBetween(text, start, start + PREFIX_CHARS), false);
      visit(hashBetween(text, at - SUFFIX_CHARS, at), true);
    }
    start = at + 1;
  }
}

function hashBetween(text: string, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

// Alphabets with lower case, and runs of Chinese, Japanese and Korean characters; not their punctuation.
const isLetter = (unit: number): boolean =>
  (unit >= 97 && unit <= 122) || (unit >= 0xdf && unit < 0x2000) || (unit >= 0x3040 && unit < 0xfe00);
