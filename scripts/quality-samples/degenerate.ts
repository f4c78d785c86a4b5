/** A number in [0, 1), from a seeded source so that samples stay the same. */
export type Random = () => number;

/** Ways in which models fall apart, as they are seen with bad conversions and quantizations. */
export const DEGENERATIONS = {
  'loops one word': (text, random) => loopAfter(text, 1, random),
  'loops a phrase': (text, random) => loopAfter(text, 3 + Math.floor(random() * 6), random),
  'loops a sentence': (text, random) => loopAfter(text, 12 + Math.floor(random() * 18), random),
  'shuffles words': (text, random) => shuffle(wordsOf(text), random).join(' '),
  'draws words at random': (text, random) => {
    const words = wordsOf(text);
    return words.map(() => words[Math.floor(random() * words.length)]).join(' ');
  },
  'collapses in the middle': (text, random) => {
    const words = wordsOf(text);
    const half = Math.floor(words.length / 3);
    return [...words.slice(0, half), ...shuffle([...words.slice(half), ...words], random)].join(' ');
  },
  'types letters': (text, random) =>
    [...text].map((character) => (/\s/.test(character) ? character : letter(random))).join(''),
  'breaks characters': (text, random) =>
    [...text].map((character) => (random() < 0.05 ? '\ufffd' : character)).join(''),
} as const satisfies Readonly<Record<string, (text: string, random: Random) => string>>;

/** A reproducible source of numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const wordsOf = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');

// The first third stays, then a piece of it comes back until the answer is as long as a token limit makes it.
function loopAfter(text: string, periodWords: number, random: Random): string {
  const words = wordsOf(text);
  const head = words.slice(0, Math.max(periodWords, Math.floor(words.length / 3)));
  const from = Math.floor(random() * (head.length - periodWords + 1));
  const period = head.slice(from, from + periodWords);
  const looped: string[] = [];
  while (looped.length < Math.max(120, 4 * periodWords)) looped.push(...period);
  return [...head, ...looped].join(' ');
}

function shuffle(words: readonly string[], random: Random): string[] {
  const mixed = [...words];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other] ?? '', mixed[at] ?? ''];
  }
  return mixed;
}

const letter = (random: Random): string => String.fromCharCode(97 + Math.floor(random() * 26));
