import { seededRandom } from './random.ts';

/**
 * Nearest-rank percentile: the smallest value with at least `quantile` of the sample at or below it.
 * `quantile` is 0..1. Undefined for an empty sample. Does not change its input.
 */
export function percentile(values: readonly number[], quantile: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return percentileSorted(sorted, quantile);
}

/** {@link percentile} of a sample that is already sorted ascending. */
export function percentileSorted(sorted: readonly number[], quantile: number): number | undefined {
  const rank = Math.max(1, Math.ceil(quantile * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1];
}

/** Median; the mean of the middle two for an even count. Undefined for an empty sample. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Bounds of a 95 % interval. */
export type Interval = { readonly low: number; readonly high: number };

/**
 * 95 % interval of the median between order statistics, interpolated between the two pairs whose exact coverage lies above
 * and below 95 % (Hettmansperger and Sheather 1986). Makes no assumption of the noise but independence. Two to five values
 * give their smallest and largest, which five times holds 93.75 %, fewer times less. The percentile bootstrap was used
 * before and held 87 % at seven values (`scripts/interval-coverage.ts`). Undefined for fewer than 2 values.
 */
export function medianInterval(values: readonly number[]): Interval | undefined {
  const n = values.length;
  if (n < 2) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const { depth, inward } = medianIntervalDepth(n);
  const between = (outer: number, inner: number) => {
    const from = sorted[outer] ?? 0;
    return from + inward * ((sorted[inner] ?? from) - from);
  };
  return { low: between(depth - 1, depth), high: between(n - depth, n - depth - 1) };
}

// The interval from the depth-th value to the depth-th from the end, moved inward by a share of the next gap.
function medianIntervalDepth(n: number): { readonly depth: number; readonly inward: number } {
  // Chance that at most `depth - 1` of n values lie below the median, in logarithms: 0.5^n is 0 beyond n = 1,074.
  let logTerm = -n * Math.LN2;
  let outside = Math.exp(logTerm);
  let depth = 1;
  while (2 * depth < n - 1) {
    logTerm += Math.log((n - depth + 1) / depth);
    const outsideNext = outside + Math.exp(logTerm);
    if (2 * outsideNext > 0.05) {
      const wanted = Math.max(0, (0.025 - outside) / (outsideNext - outside));
      return { depth, inward: ((n - depth) * wanted) / (depth + (n - 2 * depth) * wanted) };
    }
    outside = outsideNext;
    depth += 1;
  }
  return { depth, inward: 0 };
}

/** A mean with its 95 % interval. */
export type MeanInterval = Interval & { readonly mean: number };

/**
 * Mean and its percentile-bootstrap 95 % interval, 2,000 resamples from a fixed seed. Undefined for an empty sample; low
 * and high are the value itself where there is only one.
 */
export function meanInterval(values: readonly number[], resamples = 2000): MeanInterval | undefined {
  if (values.length === 0) return undefined;
  const next = seededRandom(0x51_1c_e0_02);
  const means: number[] = [];
  for (let round = 0; round < resamples; round += 1) {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw += 1) sum += values[Math.floor(next() * values.length)] ?? 0;
    means.push(sum / values.length);
  }
  means.sort((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: percentileSorted(means, 0.025) ?? mean, high: percentileSorted(means, 0.975) ?? mean };
}

/**
 * Wilson's 95 % interval of a share (1927): what the true share may be after `hits` of `n`. Unlike the plain formula it
 * holds for small n and for shares of 0 and 1. 0 to 1 for n = 0.
 */
export function wilsonInterval(hits: number, n: number): Interval {
  if (n <= 0) return { low: 0, high: 1 };
  const z2 = 1.959964 ** 2;
  const share = hits / n;
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = Math.sqrt(z2 * ((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** A straight line y = intercept + slope · x. */
export type Line = { readonly slope: number; readonly intercept: number };

/** Least-squares line through the points; undefined for fewer than two different x. */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): Line | undefined {
  const n = points.length;
  if (n < 2) return undefined;
  const meanX = points.reduce((sum, point) => sum + point.x, 0) / n;
  const meanY = points.reduce((sum, point) => sum + point.y, 0) / n;
  let covariance = 0;
  let variance = 0;
  for (const point of points) {
    covariance += (point.x - meanX) * (point.y - meanY);
    variance += (point.x - meanX) ** 2;
  }
  if (variance === 0) return undefined;
  const slope = covariance / variance;
  return { slope, intercept: meanY - slope * meanX };
}
