// What people notice of a batch: the same interactive requests on two simulated RK3588 at the same time, of which one
// also runs a batch, so that whatever else this machine does disturbs both. Shown is how many met the target of their
// class on either; more than two points less beside the batch ends this with 1.
//
//   npx tsx scripts/batch-probe.ts [--requests 100] [--gap 150] [--speed 100] [--seed 1] [--items 400] [--trace FILE] [--json]
//
// `gap` is the mean time between two requests, in seconds of the board. A batch of fewer items has time for better models;
// `--items 0` runs none on either board: how far two equal runs differ. `--trace` writes what happened as JSON lines.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/core/package-root.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { type ProbedRequest, type ProbeResult, runProbe } from './batch-proof/probe-run.ts';
import { buildProgram } from './batch-proof/served-process.ts';

const WORSE_MAX = 0.02;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100' },
    gap: { type: 'string', default: '150' },
    speed: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'string' },
    items: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
  },
});
const policyFile = join(packageRoot(), 'routing-policy.yaml');
const { classes } = await loadPolicy(policyFile);
const isE2e = classes.interactive.e2eMs !== undefined;
const targetMs = classes.interactive.e2eMs ?? classes.interactive.ttftMs ?? Number.POSITIVE_INFINITY;
const timeOf = ({ e2eMs, ttftMs }: ProbedRequest) => (isE2e ? e2eMs : ttftMs);
const items = Number(values.items);
const met = (request: ProbedRequest) => timeOf(request) <= targetMs;

const program = buildProgram();
if (values.trace !== undefined) writeFileSync(values.trace, '');
const [alone, beside] = await Promise.all([probe('alone', 0), probe('beside', items)]);

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
  points: round(-worse * 100),
  interval95: [-worse - 1.96 * errorOf, -worse + 1.96 * errorOf].map((share) => round(share * 100)),
  metAloneOnly: lost,
  metBesideOnly: won,
  faults,
};
console.log(JSON.stringify(report, null, values.json ? 0 : 2));
process.exitCode = faults.length === 0 ? 0 : 1;

function probe(run: string, lines: number): Promise<ProbeResult> {
  const { trace } = values;
  return runProbe({
    ...{ policyFile, program, board: 'rk3588', items: lines },
    ...{ speed: Number(values.speed), seed: Number(values.seed) },
    ...{ requests: Number(values.requests), gapSec: Number(values.gap) },
    trace: trace === undefined ? undefined : (line) => appendFileSync(trace, `${JSON.stringify({ run, ...line })}\n`),
  });
}

function summaryOf({ requests, items, preempted }: ProbeResult) {
  const times = requests.map(timeOf).sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.ceil(times.length * share) - 1] ?? Number.NaN);
  const attainment = requests.filter(met).length / requests.length;
  const meanMs = Math.round(times.reduce((sum, ms) => sum + ms, 0) / times.length);
  return { n: times.length, attainment, meanMs, p50Ms: at(0.5), p95Ms: at(0.95), items, preempted };
}

function round(points: number): number {
  return Math.round(points * 10) / 10;
}
