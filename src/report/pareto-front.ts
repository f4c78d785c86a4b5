/** A point that should be high in one thing and low in another. */
export type Tradeoff = { readonly quality: number; readonly latencyMs: number };

/**
 * The points that no other point beats in both quality and latency, by rising latency. Of several equal points the first
 * given stays. Points whose figures are no numbers are left out.
 */
export function paretoFront<Point extends Tradeoff>(points: readonly Point[]): readonly Point[] {
  const front: Point[] = [];
  const sorted = points
    .filter(({ quality, latencyMs }) => Number.isFinite(quality) && Number.isFinite(latencyMs))
    .toSorted((a, b) => a.latencyMs - b.latencyMs || b.quality - a.quality);
  for (const point of sorted) {
    const best = front.at(-1);
    if (best === undefined || point.quality > best.quality) front.push(point);
  }
  return front;
}
