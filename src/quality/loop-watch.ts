/** A generation that says the same again and again: its last `chars` characters repeat the last `periodChars`. */
export type RunningLoop = { readonly periodChars: number; readonly chars: number };

/** Watches a text as it grows for an end that repeats itself. */
export interface LoopWatch {
  /** Takes in what was added; the loop once there is one. Looks only every 256 characters. */
  push(added: string): RunningLoop | undefined;
  /** Looks at what is there now; for a text that is complete. */
  look(): RunningLoop | undefined;
}

/** Characters kept of the end. */
const WINDOW = 4096;
/** Characters between two looks: 64 tokens, so a look of 20 µs costs a third of a microsecond per token. */
const LOOK_EVERY = 256;
/**
 * What a loop must have: so many repetitions over so many characters, about 200 tokens. More than the detectors of
 * finished answers ask for (24 words, three times), because stopping a good answer is worse than letting a loop run on a
 * little; songs, tables and lists stay below.
 */
const PERIODS_MIN = 6;
const CHARS_MIN = 800;
/** Without a letter it may be a matrix of zeros or a ruled line, so more is waited for. */
const CHARS_MIN_WITHOUT_LETTERS = 3200;

/** A watch for one text, in UTF-16 units or bytes written as such; it does not matter which. */
export function createLoopWatch(): LoopWatch {
  let tail = '';
  let pending: string[] = [];
  let pendingChars = 0;
  const look = () => {
    tail = (tail + pending.join('')).slice(-WINDOW);
    pending = [];
    pendingChars = 0;
    return findRunningLoop(tail);
  };
  return {
    push: (added) => {
      pending.push(added);
      pendingChars += added.length;
      return pendingChars >= LOOK_EVERY ? look() : undefined;
    },
    look,
  };
}

// Reused by every look: a look never waits for anything.
const borders = new Int16Array(WINDOW);

// The prefix function of the reversed text (Knuth, Morris and Pratt 1977): the first i reversed characters have the period
// i - border[i], so one pass over the window finds every length of end and its period.
function findRunningLoop(text: string): RunningLoop | undefined {
  const n = text.length;
  if (n < CHARS_MIN) return undefined;
  let found: RunningLoop | undefined;
  let border = 0;
  borders[0] = 0;
  for (let at = 1; at < n; at += 1) {
    const code = text.charCodeAt(n - 1 - at);
    while (border > 0 && text.charCodeAt(n - 1 - border) !== code) border = borders[border - 1] ?? 0;
    if (text.charCodeAt(n - 1 - border) === code) border += 1;
    borders[at] = border;
    const chars = at + 1;
    const periodChars = chars - border;
    if (chars >= CHARS_MIN && chars >= PERIODS_MIN * periodChars) found = { periodChars, chars };
  }
  if (found === undefined || found.chars >= CHARS_MIN_WITHOUT_LETTERS) return found;
  return /\p{L}|[\x80-\xff]/u.test(text.slice(-found.periodChars)) ? found : undefined;
}
