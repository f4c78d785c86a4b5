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
  /** The same, ascending: twice the tokens, plus one where it was cut off, for such a one was still at risk there. */
  readonly sorted: number[];
  /** Worked out when asked for, thrown away by the next answer. */
  curve: Curve | undefined;
};

/** Different lengths that ended by themselves, ascending, and the share of answers longer than each. */
type Curve = { readonly tokens: readonly number[]; readonly longer: readonly number[]; readonly longest: number };

/** Answers kept per group. */
export const ANSWERS_KEPT = 200;

/** A group of which nothing was seen, or only these. */
export function newLengthWindow(given: readonly number[] = []): LengthWindow {
  const lengths = given.slice(-ANSWERS_KEPT);
  return { lengths, sorted: lengths.map(rankOf).sort((a, b) => a - b), curve: undefined };
}

/** Adds one answer of at least one token. Sorting anew after every answer would cost more than a decision. */
export function addLength(window: LengthWindow, tokens: number, cutOff: boolean): void {
  const { lengths, sorted } = window;
  const length = cutOff ? -tokens : tokens;
  lengths.push(length);
  const rank = rankOf(length);
  sorted.splice(firstAbove(sorted, rank), 0, rank);
  const dropped = lengths.length > ANSWERS_KEPT ? lengths.shift() : undefined;
  if (dropped !== undefined) sorted.splice(firstAbove(sorted, rankOf(dropped)) - 1, 1);
  window.curve = undefined;
}

const rankOf = (length: number): number => (length < 0 ? -2 * length + 1 : 2 * length);

/**
 * Smallest length that a share `quantile` of the answers longer than `beyond` tokens does not exceed; where too many of
 * them were cut off to tell, the longest length seen, which is less than the truth. Undefined where none that long ended.
 */
export function lengthQuantile(window: LengthWindow, quantile: number, beyond = 0): number | undefined {
  window.curve ??= curveOf(window.sorted);
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

function curveOf(sorted: readonly number[]): Curve {
  const tokens: number[] = [];
  const longer: number[] = [];
  let share = 1;
  for (let index = 0; index < sorted.length; ) {
    const rank = sorted[index] ?? 0;
    let same = 1;
    while (sorted[index + same] === rank) same += 1;
    if (rank % 2 === 0) {
      share *= 1 - same / (sorted.length - index);
      tokens.push(rank / 2);
      longer.push(share);
    }
    index += same;
  }
  return { tokens, longer, longest: Math.floor((sorted.at(-1) ?? 0) / 2) };
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
