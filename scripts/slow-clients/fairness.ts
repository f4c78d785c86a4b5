/** How far an order of service is from the order of arrival. */
export type Fairness = {
  readonly n: number;
  /** Pairs served the other way round than they came. */
  readonly inversions: number;
  /** Kendall's tau-a: 1 = in the order of arrival, -1 = the other way round. Undefined for fewer than two. */
  readonly tau: number | undefined;
};

/**
 * Compares an order of service, first served first, with arrivals in ms. Two that came in the same millisecond may be
 * served either way; tau counts them as in order.
 */
export function orderFairness(arrivalsInServiceOrder: readonly number[]): Fairness {
  const n = arrivalsInServiceOrder.length;
  let inversions = 0;
  for (const [later, arrivedMs] of arrivalsInServiceOrder.entries()) {
    for (let earlier = 0; earlier < later; earlier += 1) {
      if ((arrivalsInServiceOrder[earlier] ?? 0) > arrivedMs) inversions += 1;
    }
  }
  const pairs = (n * (n - 1)) / 2;
  return { n, inversions, tau: pairs === 0 ? undefined : 1 - (2 * inversions) / pairs };
}
