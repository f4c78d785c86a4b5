/**
 * The one vector the features of a request are gathered in. A request would otherwise allocate 48 kB; the caller of
 * `featuresOf` is done with it at once.
 */

/** Hashed features with their values; only the first `count` entries of both arrays are meant. */
export type FeatureVector = { readonly ids: Uint16Array; readonly values: Float32Array; readonly count: number };

/** Number of hash buckets. 2^16 ids fit an Uint16Array; half as many lost a point of held-out accuracy. */
export const BUCKETS = 65_536;
/** More features than the bounds of features.ts can give: 2,000 body words and 4 × 700 characters' worth of the rest. */
export const FEATURES_MAX = 8192;

const ids = new Uint16Array(FEATURES_MAX);
const values = new Float32Array(FEATURES_MAX);
let count = 0;

/** Forgets the features gathered so far. */
export function clear(): void {
  count = 0;
}

/** How many features were gathered: where the next group starts. */
export const featureCount = (): number => count;

/** What was gathered. The arrays are the ones the next request writes to. */
export const taken = (): FeatureVector => ({ ids, values, count });

/** Adds a feature of value 1; the salt keeps the same word apart in different places. One too many is dropped. */
export function add(hash: number, salt: number): void {
  if (count >= FEATURES_MAX) return;
  let mixed = Math.imul(hash ^ Math.imul(salt, 0x85ebca6b), 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  ids[count] = mixed & (BUCKETS - 1);
  values[count] = 1;
  count += 1;
}

/** Gives the features from `start` on the Euclidean length `length` together, however many they are. */
export function scaleFrom(start: number, length: number): void {
  if (count > start) setFrom(start, length / Math.sqrt(count - start));
}

/** Gives every feature from `start` on the same value. */
export function setFrom(start: number, value: number): void {
  for (let at = start; at < count; at += 1) values[at] = value;
}

/** A hash of a small number, the same for the same number. */
export const mix = (number: number): number => Math.imul(number + 1, 0x9e3779b1);
