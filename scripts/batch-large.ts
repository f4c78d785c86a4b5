// The largest batch there may be: 50,000 lines, 55 MB. Shown are how long it takes until it runs, what the gateway needs
// of memory meanwhile and how long its event loop stands still; what is not as it should be ends this with 1.
//
//   npx tsx scripts/batch-large.ts [--lines 50000] [--seconds 70] [--json]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock as clock } from '../src/core/clock.ts';
import { seededRandom } from '../src/core/random.ts';
import { ask, findBatch, hasEnded, submitBatch } from './batch-proof/batch-calls.ts';
import { waitFor } from './batch-proof/served-process.ts';
import { startWatched, TOKENS, type WatchReport } from './batch-proof/watched-gateway.ts';

/** Time until it runs, ms. */
const START_MS_MAX = 10_000;
/** What the gateway may need more while it is sent and read, and while it runs, bytes. */
const MEMORY_MORE_MAX = 48 * 1024 * 1024;
/** What may still be in use after its end and a collection, bytes. */
const MEMORY_KEPT_MAX = 4 * 1024 * 1024;
/** Longest time in which the gateway does nothing else, ms; collection and pool threads are counted too. */
const STANDSTILL_MS_MAX = 100;

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '70' },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'sluice-batch-large-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const gateway = await startWatched(folder, 20);
const phases: Record<
  string,
  { readonly rss: number; readonly peak: number; readonly heap: number; readonly loop: WatchReport['loop'] }
> = {};
const phase = async (name: string, question: 'report' | 'report-collected' = 'report') => {
  const { rss, heapUsed: heap, loop } = await gateway.ask(question);
  phases[name] = { rss, peak: gateway.peakBytes(), heap, loop };
};
// Code and buffers that any batch needs are there before the first figure.
const small = await submitBatch(gateway.url, input(200));
await waitFor('the first batch', async () => (hasEnded(await findBatch(gateway.url, small.id)) ? true : undefined));
await phase('before', 'report-collected');

const text = input(Number(values.lines));
const sentMs = clock.monotonicMs();
const { id } = await submitBatch(gateway.url, text);
const uploadMs = clock.monotonicMs() - sentMs;
await phase('upload');
await waitFor('it runs', async () => ((await findBatch(gateway.url, id)).status === 'in_progress' ? true : undefined));
const startMs = clock.monotonicMs() - sentMs;
await phase('validation');

await waitFor('its plan', async () => {
  const { x_router } = await findBatch(gateway.url, id);
  return typeof x_router.predicted_finish === 'string' ? true : undefined;
});
await phase('plan');
const endMs = clock.monotonicMs() + Number(values.seconds) * 1000;
const askedMs: number[] = [];
while (clock.monotonicMs() < endMs) {
  const beforeMs = clock.monotonicMs();
  await findBatch(gateway.url, id);
  askedMs.push(clock.monotonicMs() - beforeMs);
  await clock.sleep(500);
}
await phase('running');
const { request_counts: counts } = await findBatch(gateway.url, id);
await ask(`${gateway.url}/v1/batches/${id}/cancel`, { method: 'POST' });
await waitFor('its end', async () => (hasEnded(await findBatch(gateway.url, id)) ? true : undefined));
await phase('cancellation');
await phase('after', 'report-collected');
await gateway.stop();

askedMs.sort((a, b) => a - b);
const p95 = askedMs[Math.ceil(askedMs.length * 0.95) - 1] ?? Number.NaN;
const before = phases['before']?.rss ?? 0;
const peak = Math.max(...Object.values(phases).map((one) => one.peak));
const kept = (phases['after']?.heap ?? 0) - (phases['before']?.heap ?? 0);
const standstill = Math.max(...Object.values(phases).map(({ loop }) => loop.maxMs));
const faults = [
  startMs > START_MS_MAX && `it took ${Math.round(startMs)} ms until it ran, ${START_MS_MAX} are allowed`,
  peak - before > MEMORY_MORE_MAX && `memory grew by ${megabytes(peak - before)}`,
  kept > MEMORY_KEPT_MAX && `${megabytes(kept)} of memory stayed in use`,
  standstill > STANDSTILL_MS_MAX && `the event loop stood still for ${Math.round(standstill)} ms`,
  counts.completed === 0 && 'nothing was done meanwhile',
].filter((fault) => typeof fault === 'string');
const figures = { uploadMs, startMs, outlookP95Ms: p95, completed: counts.completed, phases, faults };
if (values.json) console.log(JSON.stringify(figures));
else print();
process.exitCode = faults.length === 0 ? 0 : 1;

function print(): void {
  console.log(`${values.lines} lines, ${megabytes(text.length)}`);
  console.log(`sent in ${Math.round(uploadMs)} ms, running after ${Math.round(startMs)} ms`);
  console.log(`GET /v1/batches/{id}: p95 ${p95.toFixed(1)} ms of ${askedMs.length}; ${counts.completed} items done`);
  console.log('phase            rss       peak       heap   event loop: longest stop, p99');
  for (const [name, { rss, peak: most, heap, loop }] of Object.entries(phases)) {
    const row = [name.padEnd(12), megabytes(rss).padStart(9), megabytes(most).padStart(9), megabytes(heap).padStart(9)];
    console.log([...row, `${loop.maxMs.toFixed(0)} ms`.padStart(10), `${loop.p99Ms.toFixed(0)} ms`].join(' '));
  }
  for (const fault of faults) console.log(`FAULT ${fault}`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

// Prompts of 200 to 1,800 characters.
function input(lines: number): string {
  const random = seededRandom(lines);
  const rows: string[] = [];
  for (let line = 1; line <= lines; line += 1) {
    const content = 'What is it? '.repeat(17 + Math.floor(random() * 133));
    const body = { model: 'auto', messages: [{ role: 'user', content }], max_tokens: TOKENS };
    rows.push(JSON.stringify({ custom_id: `item-${line}`, method: 'POST', url: '/v1/chat/completions', body }));
  }
  return rows.join('\n');
}
