import type { ModelClass } from '../../src/core/classes.ts';
import { seededRandom } from '../../src/core/random.ts';

/**
 * How a client takes its answer. `fast`: as it comes. `slow`: a kilobyte per second. `late`: nothing for some seconds, then
 * all. `never`: nothing at all, but its answer is small enough for the system's buffers. `stuck`: nothing of an answer far
 * larger than those.
 */
export type Reading = 'fast' | 'slow' | 'late' | 'never' | 'stuck';

/** One client of a run: one connection, one streamed request. */
export type PlannedClient = {
  readonly id: string;
  readonly class: ModelClass;
  readonly reading: Reading;
  /** After the begin of the run, ms. */
  readonly atMs: number;
};

/** What a run is made of. */
export type ScenarioOptions = {
  readonly clients: number;
  /** Of them, how many are `stuck`; they ask first, so that everybody else is behind them. */
  readonly stuck: number;
  /** All have asked within this time, ms. */
  readonly rampMs: number;
  readonly seed: number;
};

const CLASS_SHARES: readonly (readonly [ModelClass, number])[] = [
  ['route', 0.2],
  ['interactive', 0.4],
  ['quality', 0.25],
  ['batch', 0.15],
];
const READING_SHARES: readonly (readonly [Reading, number])[] = [
  ['fast', 0.3],
  ['slow', 0.4],
  ['late', 0.2],
  ['never', 0.1],
];

/** The clients of a run in the order in which they ask: classes and ways of reading mixed at random, the same for a seed. */
export function planClients({ clients, stuck, rampMs, seed }: ScenarioOptions): readonly PlannedClient[] {
  const random = seededRandom(seed);
  return Array.from({ length: clients }, (_, index) => {
    const isStuck = index < stuck;
    const [modelClass, reading] = [draw(CLASS_SHARES, random()), draw(READING_SHARES, random())];
    return {
      id: `client-${index}`,
      class: isStuck ? 'interactive' : modelClass,
      reading: isStuck ? 'stuck' : reading,
      atMs: (index / clients) * rampMs,
    };
  });
}

function draw<Value>(shares: readonly (readonly [Value, number])[], random: number): Value {
  let left = random;
  for (const [value, share] of shares) {
    left -= share;
    if (left < 0) return value;
  }
  return (shares.at(-1) as readonly [Value, number])[0];
}
