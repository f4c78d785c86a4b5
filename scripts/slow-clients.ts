// Five hundred clients at once on one gateway, most of them slow: some read a kilobyte per second, some not for seconds,
// some never, and a few hold the lane with megabytes they do not take. Shown are the waits per class, whether each class
// was served in the order it came, and the gateway's memory; what is not as it should be ends this with 1.
//
//   npx tsx scripts/slow-clients.ts [--clients 500] [--stuck 3] [--ramp 2] [--rate 1000] [--write-timeout 3] [--json]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunOptions, runSlowClients } from './slow-clients/run.ts';
import { judge, megabytes, type Verdict, type Waits } from './slow-clients/verdict.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '500' },
    stuck: { type: 'string', default: '3' },
    ramp: { type: 'string', default: '2' },
    rate: { type: 'string', default: '1000' },
    'write-timeout': { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const options: RunOptions = {
  clients: Number(values.clients),
  stuck: Number(values.stuck),
  rampMs: Number(values.ramp) * 1000,
  slowBytesPerSec: Number(values.rate),
  lateMs: 5000,
  writeTimeoutMs: Number(values['write-timeout']) * 1000,
  answerTokens: 60,
  stuckTokens: 200_000,
  seed: Number(values.seed),
};
const folder = mkdtempSync(join(tmpdir(), 'sluice-slow-clients-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const result = await runSlowClients(folder, options);
const verdict = judge(options, result);
if (values.json)
  console.log(JSON.stringify({ options, durationMs: Math.round(result.durationMs), ...memory(), verdict }));
else print(verdict);
process.exitCode = verdict.faults.length === 0 ? 0 : 1;

function memory() {
  return { rss: result.rss, held: result.held };
}

function print({ byClass, byReading, faults, ...rest }: Verdict): void {
  const waits = (name: string, { n, p50, p95, max }: Waits) =>
    `${name.padEnd(12)} ${String(n).padStart(5)} ${String(p50).padStart(9)} ${String(p95).padStart(9)} ${String(max).padStart(9)}`;
  console.log(`${options.clients} clients in ${(result.durationMs / 1000).toFixed(1)} s, ${rest.answered} answered\n`);
  console.log('class            n  wait p50       p95  max (ms)   inversions   Kendall tau');
  for (const [name, { waits: measured, fairness }] of Object.entries(byClass)) {
    console.log(
      `${waits(name, measured)} ${String(fairness.inversions).padStart(12)} ${fairness.tau?.toFixed(4).padStart(13)}`,
    );
  }
  console.log('\ninteractive, by the way of reading');
  for (const [name, measured] of Object.entries(byReading)) console.log(waits(name, measured));
  const course = ({ before, peak, after }: { before: number; peak: number; after: number }) =>
    `${megabytes(before)} before, ${megabytes(peak)} at most, ${megabytes(after)} after`;
  console.log(`\nin use     ${course(result.held)} (after a full collection, buffers included)`);
  console.log(`resident   ${course(result.rss)}`);
  console.log(
    `stuck      ${rest.cutOff} of ${options.stuck} cut off, with ${megabytes(rest.withheldBytes)} meant for them`,
  );
  for (const fault of faults) console.log(`FAULT      ${fault}`);
}
