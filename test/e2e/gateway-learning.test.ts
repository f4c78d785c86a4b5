import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import DatabaseFile from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.ts';
import { tierPath } from '../../src/demo/tiers.ts';
import { demoPolicy, type Parsed, postChat, serversWith, testVariable } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// What traffic on a real llama-server has taught outlives the gateway's process, however that ends.

type Served = { readonly process: ChildProcess; readonly url: string };

const MODEL = 'demo-1.7b';
let folder: string;
let policyFile: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-learning-'));
  policyFile = join(folder, 'policy.yaml');
  // A model file of this test only, so that its servers can be told from everybody else's.
  const file = join(folder, `${MODEL}.gguf`);
  copyFileSync(tierPath(testVariable('SLUICE_TEST_MODELS'), MODEL), file);
  const policy = demoPolicy([MODEL]);
  policy.models[MODEL] = { ...policy.models[MODEL], file };
  writeFileSync(policyFile, JSON.stringify(policy));
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await until('no server of this test is left', () => serversWith(folder).length === 0);
  rmSync(folder, { recursive: true, force: true });
});

async function serve(): Promise<Served> {
  const cli = join(packageRoot(), 'src', 'cli.ts');
  const place = ['--policy', policyFile, '--data', join(folder, 'data'), '--port', '0', '--log-format', 'text'];
  const child = spawn(process.execPath, ['--import', 'tsx', cli, 'serve', ...place], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: packageRoot(),
  });
  started.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      said += text;
    });
  }
  const url = await until('it says its address', () => /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]);
  await until('its model is ready', async () => (await fetch(`${url}/ready`)).ok);
  return { process: child, url };
}

const body = (words: number) => ({
  model: MODEL,
  messages: [{ role: 'user', content: `${words} ${'what does the log say '.repeat(words)}` }],
  max_tokens: 40,
  ignore_eos: true,
});

async function predicted({ url }: Served): Promise<Parsed> {
  const response = await fetch(`${url}/router/explain`, { method: 'POST', body: JSON.stringify(body(12)) });
  const { candidates } = (await response.json()) as Parsed;
  return candidates[0].predicted;
}

/** Runs the model's calibration on disk rests on. */
function runsOnDisk(): number {
  const database = new DatabaseFile(join(folder, 'data', 'sluice.db'), { readonly: true });
  try {
    const row = database.prepare("SELECT value FROM learned WHERE key = 'device cpu'").get() as { value: string };
    return row === undefined ? 0 : JSON.parse(row.value).arms[MODEL].decode.term.n;
  } finally {
    database.close();
  }
}

it('what was learned is there again after kill -9', async () => {
  const first = await serve();
  expect((await predicted(first)).calibration.n).toBe(0);
  // Runs that other programs disturbed do not count, and tests rarely have a machine to themselves.
  let turns = 0;
  const learnedRuns = await until('three runs have taught something', async () => {
    turns += 1;
    expect((await postChat(first.url, body(4 * (1 + (turns % 12))))).status).toBe(200);
    const { n } = (await predicted(first)).calibration;
    return n >= 3 && n;
  });
  await until('all of it is on disk', () => runsOnDisk() === learnedRuns);
  const before = await predicted(first);
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  const second = await serve();
  const after = await predicted(second);
  expect(after.calibration).toEqual(before.calibration);
  expect(after.decode_ms / before.decode_ms).toBeCloseTo(1, 1);
});
