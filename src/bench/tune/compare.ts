import { type Interval, median, medianInterval } from '../../core/stats.ts';
import type { Trial } from './trial.ts';

/** How much one arm is better than another, by measurements taken in turns. */
export type Comparison = Interval & {
  /** Share of the time saved: 0.12 = 12 % less; below 0 = slower. Median of the pairs. */
  readonly gain: number;
  /** Pairs it is the median of. */
  readonly n: number;
  /** True where it is no accident. */
  readonly isBetter: boolean;
};

/** The comparison must be sure of more than this share: less is not worth a changed file. */
const GAIN_MIN = 0.01;
/** Fewer pairs prove nothing. */
const PAIRS_MIN = 3;

/** Both halves of a pair, one right after the other. */
export type Pair = { readonly before: Trial; readonly after: Trial };

/** The complete pairs of the comparison: the settings in force, then the other arm. */
export function pairsOf(trials: readonly Trial[], currentId: string, otherId: string): readonly Pair[] {
  const taken = trials.filter(({ phase }) => phase === 'confirming');
  return taken.flatMap((before, index) => {
    const after = taken[index + 1];
    return before.arm === currentId && after?.arm === otherId ? [{ before, after }] : [];
  });
}

/**
 * What the other arm saves of the time of the settings in force, as the median of the pairs with its 95 % interval. Pairs
 * that something disturbed count only where fewer than three others are there. Undefined below two pairs.
 */
export function comparePairs(pairs: readonly Pair[]): Comparison | undefined {
  const usable = pairs.flatMap(({ before, after }) => {
    if (before.cost === undefined || after.cost === undefined || before.cost <= 0) return [];
    return { gain: 1 - after.cost / before.cost, isClean: !before.isDisturbed && !after.isDisturbed };
  });
  const clean = usable.filter(({ isClean }) => isClean);
  const gains = (clean.length >= PAIRS_MIN ? clean : usable).map(({ gain }) => gain);
  const gain = median(gains);
  const interval = medianInterval(gains);
  if (gain === undefined || interval === undefined) return undefined;
  return { gain, ...interval, n: gains.length, isBetter: gains.length >= PAIRS_MIN && interval.low > GAIN_MIN };
}
