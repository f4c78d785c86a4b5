import { drawLogNormal, drawNormal, seededRandom } from '../core/random.ts';

/** Random quantities of a simulation, all from one seed. */
export interface Draws {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Log-normal by its median and the sigma of its logarithm. */
  logNormal(median: number, sigma: number): number;
  /** Gamma of a shape, mean 1 (Marsaglia and Tsang 2000; below shape 1 by their power of a uniform). */
  gamma(shape: number): number;
}

/** Draws from a stream of its own: the same seed and name give the same numbers, whatever other streams are used for. */
export function createDraws(seed: number, stream: string): Draws {
  const uniform = seededRandom(hash(`${seed}/${stream}`));
  const normal = () => drawNormal(uniform);
  const standardGamma = (shape: number): number => {
    if (shape < 1) return standardGamma(shape + 1) * (1 - uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - uniform()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  return {
    uniform,
    normal,
    logNormal: (median, sigma) => drawLogNormal(uniform, median, sigma),
    gamma: (shape) => standardGamma(shape) / shape,
  };
}

// FNV-1a, 32 bits: spreads nearby seeds and names over all states of the generator.
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  return state | 0;
}
