// What people notice of a batch: the same interactive requests on two simulated RK3588 at the same time, of which one
// also runs a batch, so that whatever else this machine does disturbs both. Shown is how many met the target of their
// class on either; more than two points less beside the batch ends this with 1.
//
//   npx tsx scripts/batch-probe.ts [--requests 100] [--gap 150] [--speed 100] [--seeds 1] [--items 400] [--trace FILE] [--json]
//
// `gap` is the mean time between two requests, in seconds of the board. `--seeds 1,2,3` asks three times, each with other
// requests, and counts them together. A batch of fewer items has time for better models; `--items 0` runs none on either
// board: how far two equal runs differ. `--trace` writes what happened as JSON lines.
//
// What this machine needs for itself is `speed` times as long on the board. `standstill` says how long it did not let the
// script run, in seconds of the board: where that is more than a few, a slower `--speed` tells more.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock as clock } from '../src/core/clock.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { type ProbedRequest, runProbe } from './batch-proof/probe-run.ts';
import { buildProgram } from './batch-proof/served-process.ts';

const WORSE_MAX = 0.02;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100' },
    gap: { type: 'string', default: '150' },
    speed: { type: 'string', default: '100' },
    seeds: { type: 'string', default: '1' },
    items: { type: 'string', default: '400' },
    trace: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const policyFile = join(packageRoot(), 'routing-policy.yaml');
const { classes } = await loadPolicy(policyFile);
const isE2e = classes.interactive.e2eMs !== undefined;
const targetMs = classes.interactive.e2eMs ?? classes.interactive.ttftMs ?? Number.POSITIVE_INFINITY;
const timeOf = ({ e2eMs, ttftMs }: ProbedRequest) => (isE2e ? e2eMs : ttftMs);
const met = (request: ProbedRequest) => timeOf(request) <= targetMs;
const [items, speed] = [Number(values.items), Number(values.speed)];

const program = buildProgram();
if (values.trace !== undefined) writeFileSync(values.trace, '');
const standstill = watchStandstill();
type Half = { requests: ProbedRequest[]; items: number; preempted: number };
const [alone, beside]: [Half, Half] = [
  { requests: [], items: 0, preempted: 0 },
  { requests: [], items: 0, preempted: 0 },
];
for (const seed of values.seeds.split(',')) {
  await Promise.all([
    probe(alone, { run: 'alone', seed, lines: 0 }),
    probe(beside, { run: 'beside', seed, lines: items }),
  ]);
}

const pairs = alone.requests.map((request, index) => [met(request), met(beside.requests[index] ?? request)] as const);
const lost = pairs.filter(([was, is]) => was && !is).length;
const won = pairs.filter(([was, is]) => !was && is).length;
const worse = (lost - won) / pairs.length;
// Of pairs only those that differ say something (McNemar); the interval is Wald's for a difference of paired shares.
const errorOf = Math.sqrt(Math.max(1, lost + won - (lost - won) ** 2 / pairs.length)) / pairs.length;
const faults = [
  worse > WORSE_MAX && `${(worse * 100).toFixed(1)} points less with a batch`,
  items > 0 && beside.items === 0 && 'the batch has done nothing meanwhile',
].filter((fault) => typeof fault === 'string');
const report = {
  target: `${isE2e ? 'E2E' : 'TTFT'} ${targetMs / 1000} s`,
  alone: summaryOf(alone),
  beside: summaryOf(beside),
  points: tenth(-worse * 100),
  interval95: [-worse - 1.96 * errorOf, -worse + 1.96 * errorOf].map((share) => tenth(share * 100)),
  metAloneOnly: lost,
  metBesideOnly: won,
  standstill: standstill(),
  faults,
};
console.log(JSON.stringify(report, null, values.json ? 0 : 2));
process.exitCode = faults.length === 0 ? 0 : 1;

async function probe(half: Half, { run, seed, lines }: { run: string; seed: string; lines: number }): Promise<void> {
  const { trace } = values;
  const result = await runProbe({
    ...{ policyFile, program, board: 'rk3588', items: lines, speed, seed: Number(seed) },
    ...{ requests: Number(values.requests), gapSec: Number(values.gap) },
    trace:
      trace === undefined ? undefined : (line) => appendFileSync(trace, `${JSON.stringify({ run, seed, ...line })}\n`),
  });
  half.requests.push(...result.requests);
  half.items += result.items;
  half.preempted += result.preempted;
}

function summaryOf({ requests, items: done, preempted }: Half) {
  const times = requests.map(timeOf).sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.ceil(times.length * share) - 1] ?? Number.NaN);
  const attainment = requests.filter(met).length / requests.length;
  const meanMs = Math.round(times.reduce((sum, ms) => sum + ms, 0) / times.length);
  return { n: times.length, attainment, meanMs, p50Ms: at(0.5), p95Ms: at(0.95), items: done, preempted };
}

// How late a timer of this process came: the longest, and how often by more than five seconds of the board.
function watchStandstill(): () => { readonly longestSec: number; readonly over5Sec: number } {
  const everyMs = 5;
  let [longestMs, often] = [0, 0];
  const look = (fromMs: number) => {
    clock.after(everyMs, () => {
      const lateMs = (clock.monotonicMs() - fromMs - everyMs) * speed;
      longestMs = Math.max(longestMs, lateMs);
      if (lateMs > 5000) often += 1;
      look(clock.monotonicMs());
    });
  };
  look(clock.monotonicMs());
  return () => ({ longestSec: tenth(longestMs / 1000), over5Sec: often });
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}
