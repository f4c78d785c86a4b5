// Sends a day's requests, as `sluice simulate` makes them, through the real gateway on a simulated board, and simulates
// the same day: same requests, same luck, same figures known at the start. Where the share of requests in time differs
// by more than three points, overall or in a class of 100 requests or more, the simulation leaves out something that
// matters, and this ends with 1.
//
//   npm run build && npx tsx scripts/replay.ts [--requests 500] [--speed 50] [--load 1] [--seed 1] [--out FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { ours } from '../src/simulate/rules/ours.ts';
import { simulateDay } from '../src/simulate/simulate-day.ts';
import { generateRequests } from '../src/simulate/workload.ts';
import { referenceWorkload } from '../src/simulate/workload-file.ts';
import { createWorld } from '../src/simulate/world.ts';
import { type CompareOptions, compareOutcomes } from './replay/compare.ts';
import { measureLoad } from './replay/cpu-time.ts';
import { sendTrace } from './replay/send-trace.ts';
import { readProfiles, startServed } from './replay/served-board.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '500' },
    speed: { type: 'string', default: '50' },
    load: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});
const options: CompareOptions = {
  requests: Number(values.requests),
  speed: Number(values.speed),
  load: Number(values.load),
  seed: Number(values.seed),
};

const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
// Batch work runs in the night, by a planner of its own; the trace is of those who wait.
const plan = { ...referenceWorkload(), batch: undefined };
const requests = generateRequests(plan, options.load, options.seed).slice(0, options.requests);
const lastMs = requests.at(-1)?.atMs ?? 0;
say(
  `${requests.length} requests of ${(lastMs / 3_600_000).toFixed(1)} h: ${(lastMs / options.speed / 60_000).toFixed(1)} min here`,
);

const board = await startServed({
  policyFile: join(packageRoot(), 'src', 'simulate', 'board-policy.yaml'),
  dataDir: folder,
  speed: options.speed,
});
try {
  const policy = await loadPolicy(board.policyFile);
  const profiles = await readProfiles(board.url);
  const load = measureLoad(board.pid);
  const replayed = await sendTrace(board.url, requests, {
    speed: options.speed,
    clock: systemClock,
    onDone: (done) => {
      if (done % 50 === 0) say(`${done} of ${requests.length} answered`);
    },
  });
  const cpu = load();
  const world = createWorld(policy);
  // The replayed board does not get warm.
  const climate = 'cool';
  const { outcomes } = await simulateDay({
    world,
    policy,
    plan,
    requests,
    profiles,
    rule: ours,
    climate,
    seed: options.seed,
  });
  const report = { ...compareOutcomes(policy, requests, { replayed, outcomes }, options), cpu };
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (values.out !== undefined) writeFileSync(values.out, text);
  console.log(text);
  if (!report.agrees) process.exitCode = 1;
} finally {
  await board.stop();
}

function say(line: string): void {
  console.error(line);
}
