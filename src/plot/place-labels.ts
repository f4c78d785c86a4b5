import { textWidth } from './text-width.ts';

/** A point in px with the name that is to stand beside it. */
export type Labelled = { readonly x: number; readonly y: number; readonly label: string };

/** Where a name goes: from its point by so many px, set flush to that side. */
export type Placement = { readonly dx: number; readonly dy: number; readonly align: 'left' | 'right' | 'center' };

type Box = { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };

const FONT_SIZE = 12;
const POINT_RADIUS = 5;

/** Places tried in turn. Steps lead to the right and up, intervals up and down: the first two are clear of both. */
const PLACEMENTS: readonly Placement[] = [1, 2, 3, 4, 5].flatMap((step): readonly Placement[] => [
  { dx: 8, dy: 13 * step, align: 'left' },
  { dx: -8, dy: -13 * step, align: 'right' },
  { dx: 8, dy: -13 * step, align: 'left' },
  { dx: -8, dy: 13 * step, align: 'right' },
]);

/**
 * A place for each name, in the order given, so that names cover neither points nor each other nor leave the plot of
 * `size` px; the first place where there is none. Greedy: good for a dozen points.
 */
export function placeLabels(
  points: readonly Labelled[],
  size: { readonly width: number; readonly height: number },
): readonly Placement[] {
  const taken: Box[] = points.map(({ x, y }) => boxAround(x, y, POINT_RADIUS));
  return points.map((point) => {
    const isFree = (box: Box) => isInside(box, size) && !taken.some((other) => overlap(box, other));
    const placement = PLACEMENTS.find((one) => isFree(boxOf(point, one))) ?? BESIDE;
    taken.push(boxOf(point, placement));
    return placement;
  });
}

const BESIDE: Placement = { dx: 8, dy: 13, align: 'left' };

const boxAround = (x: number, y: number, radius: number): Box => ({
  ...{ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius },
});

function boxOf({ x, y, label }: Labelled, { dx, dy, align }: Placement): Box {
  const width = textWidth(label, FONT_SIZE);
  const start = x + dx - (align === 'left' ? 0 : align === 'right' ? width : width / 2);
  return { left: start, right: start + width, top: y + dy - 6, bottom: y + dy + 6 };
}

const isInside = ({ left, right, top, bottom }: Box, { width, height }: { width: number; height: number }): boolean =>
  left >= 0 && right <= width && top >= 0 && bottom <= height;

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
