/**
 * Share of the last quarter of an hour a device was busy, as an exponentially weighted mean with a time constant of 15
 * minutes: while busy it goes to 1, while idle to 0. Two numbers per device; times must not go back.
 */
export type Utilisation = { share: number; atMs?: number | undefined };

const TIME_CONSTANT_MS = 900_000;
/** Cap: the price of congestion divides by what is left. */
const SHARE_MAX = 0.95;

/** A device that was never busy. */
export const newUtilisation = (): Utilisation => ({ share: 0 });

/**
 * Adds a run that ended at `nowMs` and kept the device busy for `busyMs`. Runs side by side count once: what lies before
 * the last known moment is already in the mean.
 */
export function addBusy(utilisation: Utilisation, nowMs: number, busyMs: number): void {
  const startMs = Math.max(utilisation.atMs ?? Number.NEGATIVE_INFINITY, nowMs - positive(busyMs));
  const idleShare = 1 - decayed(utilisation, startMs);
  const busy = Math.max(0, nowMs - startMs);
  utilisation.share = 1 - idleShare * Math.exp(-busy / TIME_CONSTANT_MS);
  utilisation.atMs = Math.max(utilisation.atMs ?? nowMs, nowMs);
}

/** The share at a moment, 0..0.95. */
export const utilisationAt = (utilisation: Utilisation, nowMs: number): number =>
  Math.min(SHARE_MAX, decayed(utilisation, nowMs));

const decayed = ({ share, atMs }: Utilisation, nowMs: number): number =>
  atMs === undefined ? 0 : share * Math.exp(-Math.max(0, nowMs - atMs) / TIME_CONSTANT_MS);

// Not Math.max: a time that an engine told as no number must not become the share.
const positive = (ms: number): number => (Number.isNaN(ms) ? 0 : Math.max(0, ms));
