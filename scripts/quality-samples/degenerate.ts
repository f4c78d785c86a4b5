import { seededRandom } from '../../src/core/random.ts';
import type { DegenerationSign } from '../../src/quality/detect-degeneration.ts';

/** A way in which models fall apart, as it is seen with bad conversions and quantizations. */
export type Ruin = {
  /** What the model does, third person: `loops one word`. */
  readonly kind: string;
  /** The sign a detector should see in it. */
  readonly sign: DegenerationSign;
  /** The text as such a model would have written it; `random` gives numbers in [0, 1). */
  readonly apply: (text: string, random: () => number) => string;
};

/** Kinds the thresholds were chosen by. */
export const CALIBRATION_RUINS = [
  { kind: 'loops one word', sign: 'loop', apply: (text, random) => loopAfter(text, 1, random) },
  { kind: 'loops a phrase', sign: 'loop', apply: (text, random) => loopAfter(text, 3 + below(6, random), random) },
  { kind: 'loops a sentence', sign: 'loop', apply: (text, random) => loopAfter(text, 12 + below(18, random), random) },
  { kind: 'shuffles words', sign: 'word salad', apply: (text, random) => shuffle(wordsOf(text), random).join(' ') },
  { kind: 'draws words at random', sign: 'word salad', apply: (text, random) => draw(wordsOf(text), random).join(' ') },
  { kind: 'collapses in the middle', sign: 'word salad', apply: (text, random) => collapse(wordsOf(text), random) },
  { kind: 'types letters', sign: 'letter noise', apply: (text, random) => letters(text, random, 1) },
  { kind: 'writes its end mark', sign: 'runs on', apply: (text) => `${text}<|im_end|>\n<|im_start|>user\nAnd then?` },
  { kind: 'asks itself', sign: 'runs on', apply: (text) => `${text}\n\nUser: And why is that?\nAssistant: ${text}` },
  { kind: 'breaks characters', sign: 'broken characters', apply: (text, random) => breakSome(text, random, 0.05) },
] as const satisfies readonly Ruin[];

/** Kinds nobody looked at while the thresholds were chosen; the calibration kinds are tried on held-out answers too. */
export const HELD_OUT_RUINS = [
  { kind: 'counts while looping', sign: 'loop', apply: (text, random) => countingLoop(wordsOf(text), random) },
  { kind: 'loops marks only', sign: 'loop', apply: (text) => `${text}\n${'| --- '.repeat(60)}` },
  { kind: 'starts over and over', sign: 'loop', apply: (text) => Array(5).fill(text).join('\n\n') },
  { kind: 'loops characters', sign: 'loop', apply: (text) => `${text} ${'haha'.repeat(100)}` },
  { kind: 'reads backwards', sign: 'word salad', apply: (text) => wordsOf(text).toReversed().join(' ') },
  { kind: 'swaps word pairs', sign: 'word salad', apply: (text) => swapPairs(wordsOf(text)) },
  { kind: 'shuffles inside lines', sign: 'word salad', apply: (text, random) => shuffleLines(text, random) },
  { kind: 'garbles most words', sign: 'letter noise', apply: (text, random) => letters(text, random, 0.8) },
  { kind: 'writes another mark', sign: 'runs on', apply: (text) => `${text}</s> [INST] Next question. [/INST]` },
  { kind: 'instructs itself', sign: 'runs on', apply: (text) => `${text}\n\n### Instruction:\nWrite a poem.` },
  { kind: 'breaks few characters', sign: 'broken characters', apply: (text, random) => breakSome(text, random, 0.02) },
  { kind: 'says nothing', sign: 'empty', apply: () => ' \n\n' },
] as const satisfies readonly Ruin[];

/** A ruin applied to many answers: the same for the same seed. */
export function ruinAll(
  ruin: Ruin,
  answers: readonly { readonly id: string; readonly text: string }[],
  seed: number,
): readonly { readonly id: string; readonly text: string }[] {
  const random = seededRandom(seed);
  return answers.map(({ id, text }) => ({ id, text: ruin.apply(text, random) }));
}

const wordsOf = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');
const below = (limit: number, random: () => number): number => Math.floor(random() * limit);

// The first third stays, then a piece of it comes back until the answer is as long as a token limit makes it.
function loopAfter(text: string, periodWords: number, random: () => number): string {
  const words = wordsOf(text);
  const head = words.slice(0, Math.max(periodWords, Math.floor(words.length / 3)));
  const from = below(Math.max(1, head.length - periodWords + 1), random);
  const period = head.slice(from, from + periodWords);
  const looped: string[] = [];
  while (looped.length < Math.max(120, 4 * periodWords)) looped.push(...period);
  return [...head, ...looped].join(' ');
}

// As models do in lists: the same item again and again under the next number.
function countingLoop(words: readonly string[], random: () => number): string {
  const item = words.slice(0, 4 + below(8, random)).join(' ');
  return Array.from({ length: 24 }, (_, index) => `${index + 1}. ${item}`).join('\n');
}

const draw = (words: readonly string[], random: () => number): readonly string[] =>
  words.map(() => words[below(words.length, random)] ?? '');

function collapse(words: readonly string[], random: () => number): string {
  const third = Math.floor(words.length / 3);
  return [...words.slice(0, third), ...shuffle([...words.slice(third), ...words], random)].join(' ');
}

function shuffle(words: readonly string[], random: () => number): string[] {
  const mixed = [...words];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = below(at + 1, random);
    [mixed[at], mixed[other]] = [mixed[other] ?? '', mixed[at] ?? ''];
  }
  return mixed;
}

function swapPairs(words: readonly string[]): string {
  const swapped: string[] = [];
  for (let at = 0; at < words.length; at += 2) swapped.push(...words.slice(at, at + 2).toReversed());
  return swapped.join(' ');
}

const shuffleLines = (text: string, random: () => number): string =>
  text
    .split('\n')
    .map((line) => shuffle(wordsOf(line), random).join(' '))
    .join('\n');

const letters = (text: string, random: () => number, share: number): string =>
  text.replace(/\S+/g, (word) =>
    random() < share ? word.replace(/./gsu, () => String.fromCharCode(97 + below(26, random))) : word,
  );

const breakSome = (text: string, random: () => number, share: number): string =>
  [...text].map((character) => (random() < share ? '\ufffd' : character)).join('');
