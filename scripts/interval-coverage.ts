/*
 * Whether the intervals that benchmarks print hold what they say: how often the 95 % interval of a median holds the true
 * median (5 to 30 samples, four kinds of noise, 4,000 runs each), and how often Wilson's interval holds the true share
 * (exact, over true shares of 5 to 95 %). The percentile bootstrap stands beside it, because it is what most tools print.
 *
 *   npx tsx scripts/interval-coverage.ts [--json]     exit code 1 where a figure leaves its band
 */
import { drawLogNormal, drawNormal, seededRandom } from '../src/core/random.ts';
import { type Interval, median, medianInterval, percentileSorted, wilsonInterval } from '../src/core/stats.ts';

const RUNS = 4_000;
const BOOTSTRAP_RUNS = 600;
const SAMPLES = [5, 6, 7, 8, 9, 10, 12, 15, 20, 30] as const;
/** Five samples give 93.75 % at most (all of them above or all below the median: 2 of 32). */
const BAND = { low: 0.925, high: 0.975 } as const;
const SHARES_OF = [12, 14, 20, 36, 96] as const;
/** Mean over true shares, and the worst of them: Wilson's interval wavers because hits are whole numbers. */
const SHARE_BAND = { low: 0.94, high: 0.97, worst: 0.85 } as const;

type Random = () => number;
type Noise = { readonly name: string; readonly draw: (random: Random) => readonly number[]; readonly held: boolean };
type MedianRow = { readonly noise: string; readonly held: boolean; readonly covered: readonly Cover[] };
type Cover = { readonly n: number; readonly ours: number; readonly bootstrap: number };
type ShareRow = { readonly n: number; readonly mean: number; readonly worst: number; readonly worstAt: number };

const LONGEST = Math.max(...SAMPLES);
const independent = (one: (random: Random) => number) => (random: Random) =>
  Array.from({ length: LONGEST }, () => one(random));
const NOISES: readonly Noise[] = [
  { name: 'log-normal, 5 %', held: true, draw: independent((random) => drawLogNormal(random, 100, 0.05)) },
  { name: 'log-normal, 50 %', held: true, draw: independent((random) => drawLogNormal(random, 100, 0.5)) },
  {
    name: 'one in ten 1.5x slower',
    held: true,
    draw: independent((random) => (100 + 2 * drawNormal(random)) * (random() < 0.1 ? 1.5 : 1)),
  },
  {
    name: 'two clocks, 70 to 30',
    held: true,
    draw: independent((random) => (random() < 0.7 ? 100 : 115) + drawNormal(random)),
  },
  // Neighbours alike by 0.5, as while a machine warms up: no interval from the samples alone can know. Shown, not held.
  { name: 'drifting (for comparison)', held: false, draw: drift },
];

const medians = NOISES.map(coverMedian);
const shares = SHARES_OF.map(coverShare);
if (process.argv.includes('--json')) console.log(JSON.stringify({ medians, shares }, null, 2));
else print();
if (medians.some(({ held, covered }) => held && !covered.every(inBand)) || !shares.every(shareInBand)) {
  process.exitCode = 1;
}

function drift(random: Random): readonly number[] {
  let level = drawNormal(random);
  return Array.from({ length: LONGEST }, () => {
    level = 0.5 * level + Math.sqrt(0.75) * drawNormal(random);
    return 100 + level;
  });
}

function coverMedian({ name, draw, held }: Noise): MedianRow {
  const random = seededRandom(20_261);
  const truth = median(Array.from({ length: 8_000 }, () => draw(random)).flat()) ?? 0;
  const covered = SAMPLES.map((n): Cover => {
    let ours = 0;
    let bootstrap = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const samples = draw(random).slice(0, n);
      if (holds(medianInterval(samples), truth)) ours += 1;
      if (run < BOOTSTRAP_RUNS && holds(bootstrapInterval(samples, random), truth)) bootstrap += 1;
    }
    return { n, ours: ours / RUNS, bootstrap: bootstrap / BOOTSTRAP_RUNS };
  });
  return { noise: name, held, covered };
}

function holds(interval: Interval | undefined, truth: number): boolean {
  return interval !== undefined && interval.low <= truth && truth <= interval.high;
}

/** Percentile bootstrap of the median (Efron 1979), 500 resamples. */
function bootstrapInterval(samples: readonly number[], random: Random): Interval {
  const resampled = Array.from(
    { length: 500 },
    () => median(samples.map(() => samples[Math.floor(random() * samples.length)] ?? 0)) ?? 0,
  ).sort((a, b) => a - b);
  return { low: percentileSorted(resampled, 0.025) ?? 0, high: percentileSorted(resampled, 0.975) ?? 0 };
}

function coverShare(n: number): ShareRow {
  let sum = 0;
  let worst = { coverage: 1, at: 0 };
  const shareSteps = Array.from({ length: 181 }, (_, step) => 0.05 + step * 0.005);
  for (const share of shareSteps) {
    const coverage = shareCoverage(n, share);
    sum += coverage;
    if (coverage < worst.coverage) worst = { coverage, at: share };
  }
  return { n, mean: sum / shareSteps.length, worst: worst.coverage, worstAt: worst.at };
}

// Sum of the chances of all counts of hits whose interval holds the true share.
function shareCoverage(n: number, share: number): number {
  let chance = (1 - share) ** n;
  let covered = 0;
  for (let hits = 0; hits <= n; hits += 1) {
    if (holds(wilsonInterval(hits, n), share)) covered += chance;
    chance *= ((n - hits) / (hits + 1)) * (share / (1 - share));
  }
  return covered;
}

function inBand({ ours }: Cover): boolean {
  return ours >= BAND.low && ours <= BAND.high;
}

function shareInBand({ mean, worst }: ShareRow): boolean {
  return mean >= SHARE_BAND.low && mean <= SHARE_BAND.high && worst >= SHARE_BAND.worst;
}

function print(): void {
  const percent = (share: number) => (100 * share).toFixed(1).padStart(6);
  console.log(`95 % interval of a median: how often it holds the true one, % (band ${percent(BAND.low).trim()} to`);
  console.log(
    `${percent(BAND.high).trim()}; ${RUNS} runs; below each line the percentile bootstrap, ${BOOTSTRAP_RUNS} runs)\n`,
  );
  console.log(`${'samples'.padEnd(28)}${SAMPLES.map((n) => String(n).padStart(6)).join('')}`);
  for (const { noise, held, covered } of medians) {
    const mark = held && !covered.every(inBand) ? ' ✗' : '';
    console.log(`${noise.padEnd(28)}${covered.map(({ ours }) => percent(ours)).join('')}${mark}`);
    console.log(`${'  bootstrap'.padEnd(28)}${covered.map(({ bootstrap }) => percent(bootstrap)).join('')}`);
  }
  console.log("\nWilson's 95 % interval of a share: how often it holds the true one, true shares of 5 to 95 %\n");
  console.log('items    mean %   worst %   at a share of');
  for (const row of shares) {
    const figures = `${percent(row.mean)}    ${percent(row.worst)}   ${row.worstAt.toFixed(3)}`;
    console.log(`${String(row.n).padStart(5)}   ${figures}${shareInBand(row) ? '' : '  ✗'}`);
  }
}
