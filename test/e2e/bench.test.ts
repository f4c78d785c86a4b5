import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { type BenchModelResult, benchDocumentSchema } from '../../src/bench/result.ts';
import { systemClock } from '../../src/core/clock.ts';
import { modelId } from '../../src/core/ids.ts';
import { type TierId, tierPath } from '../../src/demo/tiers.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createProfiles } from '../../src/store/profiles.ts';
import { acquireDataLock } from '../../src/supervise/lock.ts';
import { demoPolicy, testVariable } from '../helpers/gateway.ts';
import { modelFacts } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// `sluice bench` as a process of its own, on real llama-server and llama-bench.

/** A folder with a policy whose models are linked into it, so that every child's command line names the folder. */
function setUp(ids: readonly TierId[]) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'models'));
  const policy = demoPolicy(ids);
  for (const id of ids) {
    const file = join(folder, 'models', `${id}.gguf`);
    symlinkSync(tierPath(testVariable('SLUICE_TEST_MODELS'), id), file);
    policy.models[id] = { ...policy.models[id], file };
  }
  // A short context keeps the extra long prompt short, and the tests quick on a busy machine.
  policy.runtimes['llama'] = {
    ...policy.runtimes['llama'],
    settings: { ...Object(policy.runtimes['llama']?.['settings']), context: 512 },
  };
  policy.models['gone'] = { runtime: 'llama', file: join(folder, 'models/gone.gguf'), quality: 0.5 };
  const policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, JSON.stringify(policy));
  return { folder, policyFile, data: join(folder, 'data') };
}

type Place = ReturnType<typeof setUp>;

function startBench(place: Place, args: readonly string[]) {
  const cli = join(import.meta.dirname, '../../src/cli.ts');
  const given = ['bench', ...args, '--policy', place.policyFile, '--data', place.data];
  return spawn(process.execPath, ['--import', 'tsx', cli, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function runBench(place: Place, args: readonly string[]) {
  const child = startBench(place, args);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr, code: code as number };
}

/** Runs a benchmark until it says it is at a step, then sends it a signal; gives the result file it leaves. */
async function brokenOff(
  place: Place,
  args: readonly string[],
  stop: { readonly at: string; readonly by: 'SIGINT' | 'SIGKILL' },
) {
  const child = startBench(place, args);
  child.stdout.resume();
  const exit = once(child, 'exit');
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith(stop.at)) child.kill(stop.by);
  });
  const [code, signal] = (await exit) as [number | null, string | null];
  const [file = ''] = resultFiles(join(place.data, 'bench-results'));
  const document = benchDocumentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return { code, signal, document };
}

/** Result files below a folder, one folder per kind of machine. */
const resultFiles = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name));

/** Command lines of processes that name the folder. */
const processesOf = (place: Place): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(place.folder) ? [line] : [];
      } catch {
        // Ended while we looked.
        return [];
      }
    });

const figure = (result: BenchModelResult | undefined, metric: string): number =>
  result?.figures.find((one) => one.metric === metric && one.side === 'served')?.value ?? Number.NaN;

function expectKvShare(result: BenchModelResult | undefined): void {
  const { bytes, bytesPerToken = 0, contextTokens = 0, shareOfPeak } = result?.kvCache ?? {};
  expect(bytesPerToken * contextTokens).toBeGreaterThan(0);
  expect(bytes).toBe(bytesPerToken * contextTokens);
  expect(shareOfPeak).within(0.0001, 1);
}

describe('sluice bench', () => {
  test('measures real tiers apart, in SQLite and JSON alike, and says what could not run', {
    timeout: 240_000,
  }, async () => {
    const place = setUp(['demo-1.7b', 'demo-4b']);
    const { stdout, stderr, code } = await runBench(place, ['--repetitions', '2', '--settle', '0', '--json']);
    expect(stderr).toContain('results: ');
    expect(code, stdout).toBe(0);
    const document = benchDocumentSchema.parse(JSON.parse(stdout));
    const [small, large, gone] = document.models;
    expect(document.models.map((model) => model.outcome)).toEqual(['measured', 'measured', 'unavailable']);
    expect(gone).toMatchObject({ model: 'gone', reason: expect.stringContaining('gone.gguf') });

    for (const result of [small, large]) {
      for (const one of result?.figures ?? []) expect(one.value).toBeGreaterThanOrEqual(0);
      for (const metric of [
        'loadMs',
        'prefillTokensPerSec',
        'decodeTokensPerSec',
        'peakMemoryBytes',
        'charsPerToken',
      ]) {
        expect(figure(result, metric), metric).toBeGreaterThan(0);
      }
      expect(result?.series.filter((one) => one.metric === 'ttftMs')).toHaveLength(3);
      expect(result?.series.filter((one) => one.side === 'raw')).toHaveLength(2);
      expect(result?.series.every((one) => one.n <= 2)).toBe(true);
      expect(result?.file?.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(result?.runtimeVersion).toMatch(/build \d+/);
      expect(result?.fingerprint?.facts).toMatchObject({ runtime: result?.runtimeVersion, model: result?.modelKey });
      expect(result?.series.filter((one) => one.metric === 'unloadMs')[0]?.n).toBe(2);
      // Other programs of the machine may disturb samples, which is said; nothing else is out of order.
      for (const warning of result?.warnings ?? []) expect(warning).toMatch(/disturbed|page cache/);
    }
    expect(figure(small, 'decodeTokensPerSec')).toBeGreaterThan(figure(large, 'decodeTokensPerSec'));
    expect(figure(small, 'prefillTokensPerSec')).toBeGreaterThan(figure(large, 'prefillTokensPerSec'));
    expect(figure(small, 'peakMemoryBytes')).toBeLessThan(figure(large, 'peakMemoryBytes'));
    expectKvShare(small);
    expectKvShare(large);

    const files = resultFiles(join(place.data, 'bench-results'));
    expect(files).toHaveLength(1);
    const written = JSON.parse(readFileSync(files[0] ?? '', 'utf8'));
    expect(written).toEqual(JSON.parse(stdout));
    const policy = await loadPolicy(place.policyFile);
    const store = openStore(join(place.data, 'sluice.db'), { clock: systemClock });
    const profiles = createProfiles(store, systemClock);
    try {
      expect(JSON.parse(store.benchRuns()[0]?.document ?? '')).toEqual(written);
      const model = policy.models.get(modelId('demo-4b'));
      const profile = model === undefined ? {} : profiles.profileOf(model, modelFacts());
      expect(profile.decodeTokensPerSec).toMatchObject({
        provenance: 'measured',
        value: figure(large, 'decodeTokensPerSec'),
      });
    } finally {
      profiles.close();
      store.close();
    }
    expect(processesOf(place)).toEqual([]);

    const other = { ...place, data: join(place.folder, 'other') };
    const imported = await runBench(other, ['--import', files[0] ?? '']);
    expect(imported.code).toBe(0);
    expect(imported.stdout).toContain('demo-4b');
    expect((await runBench(other, ['--import', files[0] ?? ''])).stdout).toContain('known here already');
  });

  test('Ctrl-C and kill -9 cost the running sample at most, and --resume goes on', { timeout: 240_000 }, async () => {
    const place = setUp(['tiny', 'demo-1.7b']);
    const options = ['--served-only', '--quick', '--settle', '0', '--no-cold-loads'];
    const first = await brokenOff(place, [...options, 'tiny', 'demo-1.7b'], {
      at: 'demo-1.7b: long prompt, round 1',
      by: 'SIGINT',
    });
    expect(first.code).toBe(1);
    expect(first.document).toMatchObject({ complete: false, models: [{ outcome: 'aborted' }, { outcome: 'aborted' }] });
    expect(figure(first.document.models[0], 'decodeTokensPerSec')).toBeGreaterThan(0);
    expect(processesOf(place)).toEqual([]);

    const second = await brokenOff(place, ['--resume'], { at: 'demo-1.7b: middle prompt, round 2', by: 'SIGKILL' });
    expect(second.signal).toBe('SIGKILL');
    const third = await runBench(place, ['--resume', '--json']);
    expect(third.code, third.stderr).toBe(0);
    const document = benchDocumentSchema.parse(JSON.parse(third.stdout));
    expect(document).toMatchObject({ id: first.document.id, complete: true, repetitions: 3 });
    expect(document.models.map((model) => model.outcome)).toEqual(['measured', 'measured']);
    for (const [index, model] of document.models.entries()) {
      const kept = first.document.models[index]?.samples ?? [];
      expect(model.samples?.slice(0, kept.length)).toEqual(kept);
      expect(model.samples?.filter(({ kind }) => kind === 'request')).toHaveLength(12);
    }
    expect(resultFiles(join(place.data, 'bench-results'))).toHaveLength(1);
    expect((await runBench(place, ['--resume'])).stderr).toContain('no run was broken off');
    await expect.poll(() => processesOf(place), { timeout: 10_000 }).toEqual([]);

    const compared = await runBench(place, ['--compare', 'latest', document.id.slice(-6), '--json']);
    expect(JSON.parse(compared.stdout)).toMatchObject({ comparable: true, models: [{ differences: [] }, {}] });
  });

  test('models of a device with two lanes are measured side by side, and hot machines over time', {
    timeout: 240_000,
  }, async () => {
    const place = setUp(['tiny', 'demo-1.7b']);
    const policy = JSON.parse(readFileSync(place.policyFile, 'utf8'));
    policy.devices.cpu.lanes = 2;
    writeFileSync(place.policyFile, JSON.stringify(policy));
    const options = ['--served-only', '--repetitions', '2', '--settle', '0', '--pairs', '--sustained', '12s', '--json'];
    const { stdout, stderr, code } = await runBench(place, [...options, 'tiny', 'demo-1.7b']);
    expect(code, stdout + stderr).toBe(0);
    const document = benchDocumentSchema.parse(JSON.parse(stdout));
    const warnings = document.models.flatMap((model) => model.warnings);
    expect(document.pairs, warnings.join('\n')).toBeDefined();
    expect(document.pairs?.map(({ model, withModel, withDevice }) => [model, withModel, withDevice])).toEqual([
      ['tiny', 'demo-1.7b', 'cpu'],
      ['demo-1.7b', 'tiny', 'cpu'],
    ]);
    for (const pair of document.pairs ?? []) {
      expect(pair.decodeFactor?.n).toBe(2);
      expect(pair.decodeFactor?.value).toBeGreaterThan(0);
      expect(pair.prefillFactor?.value).toBeGreaterThan(0);
    }
    const points = document.models[1]?.samples?.filter(({ kind }) => kind === 'sustained') ?? [];
    expect(points.length).toBeGreaterThan(1);
    expect(document.models[1]?.series.find(({ metric }) => metric === 'sustainedShare')?.value).toBeGreaterThan(0);
    const store = openStore(join(place.data, 'sluice.db'), { clock: systemClock });
    const [row] = store.coRuns(document.models[1]?.modelKey ?? '');
    store.close();
    expect(row).toMatchObject({ withModel: 'tiny', withDevice: 'cpu', n: 2 });
    expect(processesOf(place)).toEqual([]);
  });

  test('refuses beside a running gateway and says why', async () => {
    const place = setUp(['tiny']);
    const lock = await acquireDataLock(place.data);
    try {
      const { stderr, code } = await runBench(place, ['tiny']);
      expect(code).toBe(1);
      expect(stderr).toContain(`${process.pid}`);
      expect(stderr).toContain('measuring beside a running gateway would measure its work too: stop it first');
    } finally {
      lock.release();
    }
  });

  test('wrong usage ends with 2 and says what there is', async () => {
    const place = setUp(['tiny']);
    const unknown = await runBench(place, ['nobody']);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('no model "nobody"; it has tiny, gone') });
    expect(await runBench(place, ['--settle', 'soon'])).toMatchObject({ code: 2 });
    expect(await runBench(place, ['--quick', '--repetitions', '9'])).toMatchObject({ code: 2 });
  });

  test('a run in which nothing could be measured fails', async () => {
    const { stdout, stderr, code } = await runBench(setUp(['tiny']), ['gone']);
    expect(code).toBe(1);
    expect(stderr).toContain('nothing could be measured: no result file');
    expect(stdout).toMatch(/gone: unavailable: .*gone\.gguf/);
  });
});

// Published for qwen3-1.7b-w8a8 on an RK3588: TTFT, read as that of 128 tokens, and decode rate; ten times faster here.
const PUBLISHED = { ttft_ms: 294.43, tokens_per_s: 8.95, load_ms: 4_000 };
const SCALE = 0.1;

/** A policy with one simulated NPU model per binary interface, and one whose library is not there. */
async function setUpNpu(): Promise<Place> {
  const folder = temporaryFolder();
  const answer = Array.from({ length: 40 }, (_, index) => `word${index} `).join('|');
  const file = writeStandIn(join(folder, 'qwen3-1.7b-w8a8.rkllm'), { ...PUBLISHED, scale: SCALE, answer });
  const npu = (library: string) => ({ kind: 'rkllm', device: 'npu', library });
  const runtimes = {
    older: npu(await buildSimulator('1.2.3')),
    newer: npu(await buildSimulator('1.3.0')),
    none: npu(join(folder, 'librkllmrt.so')),
  };
  const models = Object.fromEntries(Object.keys(runtimes).map((id) => [id, { runtime: id, file, quality: 0.5 }]));
  const policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, JSON.stringify({ version: 1, devices: { npu: { lanes: 1 } }, runtimes, models }));
  return { folder, policyFile, data: join(folder, 'data') };
}

describe('sluice bench on the NPU', () => {
  test('finds the speeds a simulated NPU was set to, by its own clock and by ours', { timeout: 120_000 }, async () => {
    const place = await setUpNpu();
    const { stdout, stderr, code } = await runBench(place, ['--repetitions', '3', '--settle', '0', '--json']);
    expect(code, stdout + stderr).toBe(0);
    const [older, newer, none] = benchDocumentSchema.parse(JSON.parse(stdout)).models;
    expect(none).toMatchObject({
      outcome: 'unavailable',
      reason: expect.stringContaining('no library'),
      remedy: expect.stringContaining('copy librkllmrt.so'),
    });
    const prefillRate = 128_000 / (PUBLISHED.ttft_ms * SCALE);
    const decodeRate = PUBLISHED.tokens_per_s / SCALE;
    for (const [result, version] of [
      [older, '1.2.3'],
      [newer, '1.3.0'],
    ] as const) {
      expect(result?.outcome, result?.reason).toBe('measured');
      expect(result?.runtimeVersion).toBe(`${version} (simulated)`);
      const values = (metric: string) =>
        (result?.series ?? []).filter((one) => one.metric === metric).map(({ value }) => value);
      // Waits of the simulator come late on a busy machine, never early.
      expect(figure(result, 'prefillTokensPerSec') / prefillRate).within(0.75, 1.1);
      expect(figure(result, 'decodeTokensPerSec') / decodeRate).within(0.75, 1.05);
      expect((values('runtimePrefillTokensPerSec')[0] ?? 0) / prefillRate).within(0.75, 1.1);
      expect((values('runtimeDecodeTokensPerSec')[0] ?? 0) / decodeRate).within(0.75, 1.1);
      const own = values('runtimePrefillMs');
      const ours = values('ttftMs');
      expect(own).toHaveLength(3);
      for (const [index, ms] of ours.entries()) expect(ms).toBeGreaterThanOrEqual(own[index] ?? Number.NaN);
      expect(figure(result, 'loadMs')).toBeGreaterThan(PUBLISHED.load_ms * SCALE);
      expect(figure(result, 'charsPerToken')).toBeCloseTo(4, 0);
      expect(figure(result, 'peakMemoryBytes')).within(2e7, 5e8);
      const depths = (result?.series ?? []).filter(({ metric }) => metric === 'decodeAtDepthTokensPerSec');
      expect(depths).toHaveLength(4);
      expect(depths.at(-1)?.promptTokens).within(2_900, 3_200);
      expect(result?.series.filter(({ side }) => side === 'raw')).toEqual([]);
    }
    expect(processesOf(place)).toEqual([]);
    const raw = await runBench(place, ['newer', '--raw-only']);
    expect(raw.code).toBe(1);
    expect(raw.stdout + raw.stderr).toContain('have no raw benchmark program');
  });
});
