// A batch of 300 items on a real llama-server while the gateway or its child is killed with -9 at 50 random moments.
// Every item must have exactly one result, nothing may be left running, and the database must be whole; what is not as
// it should be ends this with 1.
//
//   npx tsx scripts/batch-crash.ts [--items 300] [--kills 50] [--tokens 300] [--seed 1] [--json]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tierPath, writeTier } from '../src/demo/tiers.ts';
import { runCrashes } from './batch-proof/crash-run.ts';
import { crashFaults } from './batch-proof/crash-verdict.ts';

const { values } = parseArgs({
  options: {
    items: { type: 'string', default: '300' },
    kills: { type: 'string', default: '50' },
    tokens: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'sluice-batch-crash-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const installed = execFileSync(join(import.meta.dirname, 'install-llama-cpp'), ['--json'], { encoding: 'utf8' });
const { server, bench } = JSON.parse(installed) as { readonly server: string; readonly bench: string };
const model = tierPath(folder, 'tiny');
await writeTier('tiny', model);
const options = {
  ...{ folder: join(folder, 'run'), server, bench, model, jitterMs: 400 },
  ...{ items: Number(values.items), kills: Number(values.kills) },
  ...{ tokens: Number(values.tokens), seed: Number(values.seed) },
};
const result = await runCrashes({ ...options, say: (message) => console.error(message) });
const faults = crashFaults(options, result);
const { batch, results, errors, ...figures } = result;
const summary = { ...figures, status: batch.status, results: results.length, errors: errors.length, faults };
console.log(JSON.stringify(summary, null, values.json ? 0 : 2));
process.exitCode = faults.length === 0 ? 0 : 1;
