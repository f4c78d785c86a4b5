/**
 * Lengths of the last 200 answers of one group, with those that were cut off by `max_tokens`. A cut-off answer only says
 * "longer than this", so quantiles are read from the product-limit estimate of the survivors (Kaplan & Meier 1958):
 *
 *   S(t) = product over the lengths t_i <= t of (1 - ended_i / at risk_i)
 *
 * Counting cut-off answers as whole would teach that answers are as short as the shortest bound; leaving them out would
 * leave out the long ones.
 */
export type LengthWindow = {
  /** Oldest first; a cut-off answer is negative. */
  readonly lengths: number[];
  /** Worked out when asked for, thrown away by the next answer. */
  curve: Curve | undefined;
};

/** Different lengths that ended by themselves, ascending, and the share of answers longer than each. */
type Curve = { readonly tokens: readonly number[]; readonly longer: readonly number[]; readonly longest: number };

/** Answers kept per group. */
export const ANSWERS_KEPT = 200;

/** A group of which nothing was seen. */
export const newLengthWindow = (lengths: readonly number[] = []): LengthWindow => ({
  lengths: lengths.slice(-ANSWERS_KEPT),
  curve: undefined,
});

/** Adds one answer of at least one token. */
export function addLength(window: LengthWindow, tokens: number, cutOff: boolean): void {
  window.lengths.push(cutOff ? -tokens : tokens);
  if (window.lengths.length > ANSWERS_KEPT) window.lengths.shift();
  window.curve = undefined;
}

/**
 * Smallest length that a share `quantile` of the answers longer than `beyond` tokens does not exceed; where too many of
 * them were cut off to tell, the longest length seen, which is less than the truth. Undefined where none that long ended.
 */
export function lengthQuantile(window: LengthWindow, quantile: number, beyond = 0): number | undefined {
  window.curve ??= curveOf(window.lengths);
  const { tokens, longer, longest } = window.curve;
  const first = firstAbove(tokens, beyond);
  if (first === tokens.length) return undefined;
  const alive = first === 0 ? 1 : (longer[first - 1] ?? 0);
  // Rounding in the product must not push a quantile that is met exactly to the next length.
  const left = alive * (1 - quantile) + 1e-9;
  for (let index = first; index < tokens.length; index += 1) {
    if ((longer[index] ?? 0) <= left) return tokens[index];
  }
  return longest;
}

function curveOf(lengths: readonly number[]): Curve {
  // By length; of equal ones those that ended come first, for a cut-off one was still at risk there.
  const sorted = lengths.toSorted((a, b) => Math.abs(a) - Math.abs(b) || b - a);
  const tokens: number[] = [];
  const longer: number[] = [];
  let share = 1;
  for (let index = 0; index < sorted.length; ) {
    const length = sorted[index] ?? 0;
    let ended = 0;
    while (sorted[index + ended] === length) ended += 1;
    if (length > 0) {
      share *= 1 - ended / (sorted.length - index);
      tokens.push(length);
      longer.push(share);
    }
    index += ended;
  }
  return { tokens, longer, longest: Math.abs(sorted.at(-1) ?? 0) };
}

function firstAbove(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
