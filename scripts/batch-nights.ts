// How well nights go as they were planned, on a simulated RK3588.
//
//   served     one batch through `sluice serve --simulate`, real processes and HTTP: predicted end against the actual one
//   simulated  night after night with the gateway's own runner, planner and queue under a clock that jumps: how many
//              batches were promised by their deadline, and how many of those were done by then
//
// What is not as it should be ends this with 1.
//
//   npx tsx scripts/batch-nights.ts [--nights 200] [--seed 1] [--items 150] [--hours 8] [--speed 100] [--only served] [--json]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runServedNight, type ServedNight } from './batch-proof/served-night.ts';
import { runNights, type SimulatedNight } from './batch-proof/simulated-nights.ts';

const ERROR_MAX = 0.1;
const KEPT_MIN = 0.95;
/** Share of the nights that are promised; a planner that promises nothing keeps everything. */
const PROMISED_MIN = 0.25;

const { values } = parseArgs({
  options: {
    nights: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    items: { type: 'string', default: '150' },
    hours: { type: 'string', default: '8' },
    speed: { type: 'string', default: '100' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const faults: string[] = [];
const figures: { served?: ServedNight; simulated?: ReturnType<typeof summarize> } = {};
if (values.only !== 'simulated') figures.served = await served();
if (values.only !== 'served') {
  const nights = await runNights(Number(values.nights), seed, (night) => console.error(JSON.stringify(night)));
  figures.simulated = summarize(nights);
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
    const night = await runServedNight({ dataDir, seed, ...given });
    if (night.status !== 'completed') faults.push(`the served batch is ${night.status}`);
    if (!(Math.abs(night.error) <= ERROR_MAX)) {
      faults.push(`the end was predicted ${Math.round(night.error * 100)} % off`);
    }
    return night;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function summarize(nights: readonly SimulatedNight[]) {
  const promised = nights.filter((night) => night.promised);
  const kept = promised.filter((night) => night.inTime);
  const ended = promised.flatMap(({ predictedH, actualH }) => (actualH === undefined ? [] : actualH / predictedH - 1));
  const errors = ended.map(Math.abs).sort((a, b) => a - b);
  if (kept.length < promised.length * KEPT_MIN) faults.push(`${kept.length} of ${promised.length} promises were kept`);
  if (promised.length < nights.length * PROMISED_MIN) {
    faults.push(`only ${promised.length} of ${nights.length} nights were promised`);
  }
  return {
    nights: nights.length,
    promised: promised.length,
    kept: kept.length,
    inTimeWithoutPromise: nights.filter((night) => !night.promised && night.inTime).length,
    couldNotBeDone: nights.filter((night) => !night.promised && !night.inTime).length,
    /** Of promised nights: middle of how far the end was from the prediction made before the window opened. */
    medianError: errors[Math.floor(errors.length / 2)],
  };
}
