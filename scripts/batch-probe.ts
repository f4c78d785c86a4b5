// What people notice of a batch: the same interactive requests on a simulated RK3588, first alone and then while a batch
// runs. Shown is how many met the targets of their class each time; more than two points less ends this with 1.
//
//   npx tsx scripts/batch-probe.ts [--requests 100] [--gap 150] [--speed 100] [--seed 1] [--json]
//
// `gap` is the mean time between two requests, in seconds of the board.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock as clock } from '../src/core/clock.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { drawLogNormal, seededRandom } from '../src/core/random.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { ask, findBatch, submitBatch } from './batch-proof/batch-calls.ts';
import { startServing, waitFor } from './batch-proof/served-process.ts';

const WORSE_MAX = 0.02;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100' },
    gap: { type: 'string', default: '150' },
    speed: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const speed = Number(values.speed);
const policyFile = join(packageRoot(), 'routing-policy.yaml');
const { classes } = await loadPolicy(policyFile);
const targetMs = classes.interactive.e2eMs ?? classes.interactive.ttftMs ?? Number.POSITIVE_INFINITY;
const isE2e = classes.interactive.e2eMs !== undefined;

const alone = await probe(false);
const beside = await probe(true);
const worse = alone.attainment - beside.attainment;
const faults = [
  worse > WORSE_MAX && `${(worse * 100).toFixed(1)} points less with a batch`,
  beside.items === 0 && 'the batch has done nothing meanwhile',
].filter((fault) => typeof fault === 'string');
const target = `${isE2e ? 'E2E' : 'TTFT'} ${targetMs / 1000} s`;
console.log(JSON.stringify({ target, alone, beside, points: -worse * 100, faults }, null, values.json ? 0 : 2));
process.exitCode = faults.length === 0 ? 0 : 1;

async function probe(withBatch: boolean) {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-batch-probe-'));
  const simulation = ['--simulate', 'rk3588', '--speed', values.speed, '--seed', values.seed];
  const gateway = await startServing([...simulation, '--policy', policyFile, '--data', dataDir]);
  try {
    const { url } = gateway;
    await waitFor('the resident models', async () => {
      type Model = { readonly keep: { readonly kind: string }; readonly state: { readonly kind: string } };
      const { models } = await ask<{ readonly models: readonly Model[] }>(`${url}/router/models`);
      return models.every(({ keep, state }) => keep.kind !== 'resident' || state.kind === 'ready') || undefined;
    });
    const batch = withBatch ? await submitBatch(url, input()) : undefined;
    const random = seededRandom(Number(values.seed));
    const waits: Promise<number>[] = [];
    for (let count = 0; count < Number(values.requests); count += 1) {
      await clock.sleep((-Math.log(1 - random()) * Number(values.gap) * 1000) / speed);
      waits.push(waitOf(url, { count, tokens: Math.max(1, Math.round(drawLogNormal(random, 55, 0.5))) }));
    }
    const took = await Promise.all(waits);
    const met = took.filter((ms) => ms <= targetMs).length;
    const items = batch === undefined ? 0 : (await findBatch(url, batch.id)).request_counts.completed;
    const preempted = batch === undefined ? 0 : (await findBatch(url, batch.id)).x_router.preempted;
    took.sort((a, b) => a - b);
    const at = (share: number) => Math.round(took[Math.ceil(took.length * share) - 1] ?? Number.NaN);
    return { n: took.length, met, attainment: met / took.length, p50Ms: at(0.5), p95Ms: at(0.95), items, preempted };
  } finally {
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

// Board time until the target's event: the whole answer, or its first token; never where there was no answer.
async function waitOf(url: string, { count, tokens }: { count: number; tokens: number }): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-router-class': 'interactive' },
    body: JSON.stringify({
      model: 'auto:interactive',
      messages: [{ role: 'user', content: `Question ${count}: what is it? ${'Tell me more. '.repeat(8)}` }],
      simulated: { output_tokens: tokens },
    }),
  });
  const text = await response.text();
  if (!response.ok) return Number.POSITIVE_INFINITY;
  type Answer = { readonly x_router: { readonly actual: { readonly ttft_ms: number; readonly e2e_ms: number } } };
  const { actual } = (JSON.parse(text) as Answer).x_router;
  return isE2e ? actual.e2e_ms : actual.ttft_ms;
}

// More than can be done meanwhile.
function input(): string {
  const line = (index: number) => {
    const messages = [{ role: 'user', content: 'What is it? '.repeat(60) }];
    const body = { model: 'auto', messages, simulated: { class: 'batch' } };
    return JSON.stringify({ custom_id: `item-${index}`, method: 'POST', url: '/v1/chat/completions', body });
  };
  return Array.from({ length: 400 }, (_, index) => line(index + 1)).join('\n');
}
