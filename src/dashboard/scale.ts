/** Where values stand between the ends of an axis. */
export type Scale = {
  readonly isLogarithmic: boolean;
  /** Value at the start. */
  readonly from: number;
  /** 0 at the start, 1 at the end; values beyond are put at the ends. */
  readonly share: (value: number) => number;
};

/** Beyond this ratio of largest to smallest a bar from zero would hide the smaller ones. */
const LINEAR_RATIO_MAX = 40;

/** A scale from zero to the largest value; logarithmic, from the decade below the smallest, where they are far apart. */
export function scaleOf(values: readonly number[]): Scale {
  const positive = values.filter((value) => value > 0);
  const [least, most] = [Math.min(...positive, Number.POSITIVE_INFINITY), Math.max(...positive, 0)];
  if (most === 0) return { isLogarithmic: false, from: 0, share: () => 0 };
  if (most / least <= LINEAR_RATIO_MAX) return { isLogarithmic: false, from: 0, share: (value) => clamp(value / most) };
  const from = 10 ** Math.floor(Math.log10(least));
  return { isLogarithmic: true, from, share: (value) => clamp(Math.log(value / from) / Math.log(most / from)) };
}

const clamp = (share: number): number => (share > 0 ? Math.min(1, share) : 0);

/** Powers of ten from the one at or below `least` to the one at or above `most`. */
export function decades(least: number, most: number): readonly number[] {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}
