import type { Example } from './corpus.ts';

/** A held-out text and the training text that is most like it. */
export type Neighbours = { readonly similarity: number; readonly text: string; readonly nearest: string };

/** Texts are compared by their beginnings: a pasted document must not hide that two instructions are the same. */
const COMPARED_CHARS = 400;

/**
 * For every held-out example its nearest training example by the Jaccard similarity of their words and word pairs
 * (shared / all, 0..1), most alike first. What is almost the same on both sides makes an accuracy a lie.
 */
export function nearestNeighbours(heldOut: readonly Example[], training: readonly Example[]): readonly Neighbours[] {
  const known = training.map(({ input }) => ({ text: input.text, grams: gramsOf(input.text) }));
  const found = heldOut.map(({ input }) => {
    const grams = gramsOf(input.text);
    let similarity = 0;
    let nearest = '';
    for (const other of known) {
      const score = jaccard(grams, other.grams);
      if (score > similarity) [similarity, nearest] = [score, other.text];
    }
    return { similarity, text: input.text, nearest };
  });
  return found.toSorted((a, b) => b.similarity - a.similarity);
}

function gramsOf(text: string): ReadonlySet<string> {
  const words =
    text
      .slice(0, COMPARED_CHARS)
      .toLowerCase()
      .match(/[\p{Script=Han}]|[\p{L}\p{N}]+/gu) ?? [];
  const grams = new Set<string>(words);
  for (const [index, word] of words.entries()) if (index > 0) grams.add(`${words[index - 1]} ${word}`);
  return grams;
}

function jaccard(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  // Sets of very different size cannot be alike; saying so early skips most pairs.
  const [small, large] = one.size < other.size ? [one, other] : [other, one];
  if (large.size === 0 || small.size / large.size < 0.3) return 0;
  let shared = 0;
  for (const gram of small) if (large.has(gram)) shared += 1;
  return shared / (one.size + other.size - shared);
}
