/**
 * Numbers in [0, 1) that the seed alone determines. A 32-bit generator is enough to resample and to draw noise, and a
 * seed makes reports and simulations repeatable (mulberry32, T. Ettinger, public domain). Nothing secret may hang on it.
 */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One draw of a standard normal variable from two uniform ones (Box and Muller 1958). */
export function drawNormal(random: () => number): number {
  // 1 - u is in (0, 1], so the logarithm is finite.
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One draw of a log-normal variable by its median and the standard deviation of its logarithm. */
export const drawLogNormal = (random: () => number, median: number, sigma: number): number =>
  median * Math.exp(sigma * drawNormal(random));
