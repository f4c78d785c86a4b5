// How well nights go as they were planned, on a simulated RK3588.
//
//   served     one batch through `sluice serve --simulate`, real processes and HTTP: predicted end against the actual one
//   simulated  night after night with the gateway's own runner, planner and queue under a clock that jumps: how many
//              batches were promised by their deadline, and how many of those were done by then. Each seed is a board
//              that begins to learn anew; a seed takes about a minute of one CPU
//
// What is not as it should be ends this with 1: a served end more than a tenth off, fewer than 19 of 20 promises kept over
// all seeds, or fewer than PROMISED_MIN of the nights promised that would have been in time.
//
//   npx tsx scripts/batch-nights.ts [--nights 200] [--seeds 1-3] [--items 150] [--hours 8] [--speed 100] [--only served] [--json]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, wilsonInterval } from '../src/core/stats.ts';
import { runServedNight, type ServedNight } from './batch-proof/served-night.ts';
import { runNights, type SimulatedNight } from './batch-proof/simulated-nights.ts';

const ERROR_MAX = 0.1;
const KEPT_MIN = 0.95;
/**
 * Share promised of the nights that were in time. A planner that promises nothing keeps everything; one that promises all
 * of them would have to know how long answers will be, which differ by a third from one batch to the next here.
 */
const PROMISED_MIN = 0.4;

const { values } = parseArgs({
  options: {
    nights: { type: 'string', default: '200' },
    seeds: { type: 'string', default: '1-3' },
    items: { type: 'string', default: '150' },
    hours: { type: 'string', default: '8' },
    speed: { type: 'string', default: '100' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seeds = seedsOf(values.seeds);
const faults: string[] = [];
const figures: { served?: ServedNight; simulated?: ReturnType<typeof summarize>; bySeed?: object[] } = {};
if (values.only !== 'simulated') figures.served = await served();
if (values.only !== 'served') {
  const all: SimulatedNight[] = [];
  figures.bySeed = [];
  for (const seed of seeds) {
    const nights = await runNights(Number(values.nights), seed, (night) => console.error(JSON.stringify(night)));
    figures.bySeed.push({ seed, ...summarize(nights) });
    all.push(...nights);
  }
  figures.simulated = summarize(all);
  judge(figures.simulated);
}
if (values.json) console.log(JSON.stringify({ ...figures, faults }));
else {
  console.log(JSON.stringify(figures, null, 2));
  for (const fault of faults) console.log(`FAULT ${fault}`);
}
process.exitCode = faults.length === 0 ? 0 : 1;

async function served(): Promise<ServedNight> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-batch-night-'));
  try {
    const given = { speed: Number(values.speed), items: Number(values.items), hours: Number(values.hours) };
    const night = await runServedNight({ dataDir, seed: seeds[0] ?? 1, ...given });
    if (night.status !== 'completed') faults.push(`the served batch is ${night.status}`);
    if (!(Math.abs(night.error) <= ERROR_MAX)) {
      faults.push(`the end was predicted ${Math.round(night.error * 100)} % off`);
    }
    return night;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function judge({ promised, kept, promisedOfInTime }: ReturnType<typeof summarize>): void {
  if (kept < promised * KEPT_MIN) faults.push(`${kept} of ${promised} promises were kept`);
  if (!(promisedOfInTime >= PROMISED_MIN)) {
    faults.push(`only ${Math.round(promisedOfInTime * 100)} % of the nights that were in time were promised`);
  }
}

function summarize(nights: readonly SimulatedNight[]) {
  const promised = nights.filter((night) => night.promised);
  const kept = promised.filter((night) => night.inTime).length;
  const inTime = nights.filter((night) => night.inTime).length;
  const ended = promised.flatMap(({ predictedH, actualH }) => (actualH === undefined ? [] : actualH / predictedH - 1));
  const { low, high } = wilsonInterval(kept, promised.length);
  return {
    nights: nights.length,
    promised: promised.length,
    kept,
    /** With its 95 % interval (Wilson). */
    keptShare: rounded(kept / promised.length),
    keptBetween: [rounded(low), rounded(high)],
    inTime,
    /** Of the nights that were in time, the share that had been promised. */
    promisedOfInTime: rounded(kept / inTime),
    /** Of promised nights: middle of how far the end was from the prediction made before the window opened. */
    medianError: rounded(median(ended.map(Math.abs)) ?? Number.NaN),
  };
}

/** `3`, `1,4,7` or `1-10`. */
function seedsOf(text: string): readonly number[] {
  return text.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last) || last < first) {
      throw new Error(`--seeds are numbers such as 3, 1,4,7 or 1-10, not ${JSON.stringify(text)}`);
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}
