import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { systemClock } from '../../src/core/clock.ts';
import { modelId } from '../../src/core/ids.ts';
import { tierPath } from '../../src/demo/tiers.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { TuneRun } from '../../src/store/tune-table.ts';
import { testVariable } from '../helpers/gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// `sluice tune` as a process of its own, on real llama-server and on the RKLLM simulator.

type Place = { readonly folder: string; readonly policyFile: string; readonly data: string };

function place(policy: string): Place {
  const folder = temporaryFolder();
  const policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, policy);
  return { folder, policyFile, data: join(folder, 'data') };
}

/** A tier whose prompts are read two tokens at a time, which is slow on any machine. */
const LLAMA = () => `# the policy of a test
version: 1
devices: { cpu: { lanes: 1 } }
runtimes:
  llama:
    kind: llama-server
    device: cpu
    binary: ${testVariable('SLUICE_TEST_LLAMA_SERVER')}
    settings: { threads: 1, context: 512, flash_attention: on, batch: 2, ubatch: 2 } # far too small
models:
  demo:   # the only one
    runtime: llama
    file: model.gguf
    quality: 0.5   # assumed
`;

function llamaPlace(): Place {
  const made = place(LLAMA());
  // Linked, so that every child's command line names the folder.
  symlinkSync(tierPath(testVariable('SLUICE_TEST_MODELS'), 'demo-4b'), join(made.folder, 'model.gguf'));
  return made;
}

function startTune({ policyFile, data }: Place, args: readonly string[]) {
  const cli = join(import.meta.dirname, '../../src/cli.ts');
  const given = ['tune', ...args, '--policy', policyFile, '--data', data];
  return spawn(process.execPath, ['--import', 'tsx', cli, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function runTune(at: Place, args: readonly string[]) {
  const child = startTune(at, args);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr, code: code as number };
}

/** Runs until a line of its progress begins so, then kills it. */
async function killedAt(at: Place, args: readonly string[], line: string): Promise<void> {
  const child = startTune(at, args);
  child.stdout.resume();
  const exit = once(child, 'exit');
  createInterface({ input: child.stderr }).on('line', (said) => {
    if (said.startsWith(line)) child.kill('SIGKILL');
  });
  expect(await exit).toEqual([null, 'SIGKILL']);
}

/** Command lines of processes that name the folder. */
const processesOf = ({ folder }: Place): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(folder) ? [line] : [];
      } catch {
        // Ended while we looked.
        return [];
      }
    });

function storedSteps({ data }: Place): readonly string[] {
  const store = openStore(join(data, 'sluice.db'), { clock: systemClock });
  try {
    return store.tuneSteps(store.openTuneRuns()[0]?.id ?? '');
  } finally {
    store.close();
  }
}

const NARROW = [
  '--objective',
  'ttft:128',
  '--threads',
  '1',
  '--kv',
  'f16',
  '--flash-attention',
  'on',
  '--quick',
  '--settle',
  '0',
];

describe('sluice tune', () => {
  test('finds faster settings, loses one sample to kill -9, and writes the winner with every comment kept', async () => {
    const at = llamaPlace();
    // llama-server's own assertion ends a child with batches of one token.
    const space = [...NARROW, '--batch', '1,2,128', '--load-mode', 'mmap'];
    await killedAt(at, ['demo', ...space], 'demo: #3 ');
    const kept = storedSteps(at);
    expect(kept.filter((step) => step.includes('"trial"'))).toHaveLength(2);
    // The next run clears away whatever is left of this one.
    const resumed = await runTune(at, ['--resume', 'demo', '--apply', '--yes', '--json']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).not.toContain('#1 ');
    const run = JSON.parse(resumed.stdout) as TuneRun;
    expect(run).toMatchObject({ complete: true, model: 'demo', comparison: { isBetter: true, n: 3 } });
    const [now, failed, better] = [2, 1, 128].map((batch) =>
      run.trials.find(({ settings }) => settings['batch'] === batch),
    );
    expect(now).toMatchObject({ isCurrent: true });
    expect(failed).toMatchObject({ status: 'infeasible', reason: expect.stringContaining('llama-server says') });
    expect(better).toMatchObject({ status: 'winner' });
    expect(better?.figures.ttftMs).toBeLessThan(now?.figures.ttftMs ?? 0);
    expect(better?.figures.peakRssBytes).toBeGreaterThan(1e7);
    expect(processesOf(at)).toEqual([]);

    expect(readFileSync(at.policyFile, 'utf8')).toBe(`${LLAMA()}    settings: { batch: 128, ubatch: 128 }\n`);
    expect((await loadPolicy(at.policyFile)).models.get(modelId('demo'))?.settings).toMatchObject({
      threads: 1,
      ubatch: 128,
    });
    const [backup = '', ...others] = readdirSync(at.folder).filter((name) => name.includes('.bak-'));
    expect(others).toEqual([]);
    expect(readFileSync(join(at.folder, backup), 'utf8')).toBe(LLAMA());

    const refused = await runTune(at, ['--show', 'latest', '--apply']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('no terminal to ask on: add --yes') });
  });

  test('tunes a model on the simulated NPU', async () => {
    const library = await buildSimulator('1.3.0');
    const at = place(`version: 1
devices: { npu: { lanes: 1 } }
runtimes: { npu: { kind: rkllm, device: npu, library: ${library}, settings: { embed_flash: true } } }
models: { router: { runtime: npu, file: qwen3-1.7b-w8a8.rkllm, quality: 0.5 } }
`);
    const answer = Array.from({ length: 12 }, (_, index) => `word${index} `).join('|');
    writeStandIn(join(at.folder, 'qwen3-1.7b-w8a8.rkllm'), {
      ttft_ms: 294.43,
      tokens_per_s: 8.95,
      load_ms: 100,
      scale: 0.2,
      answer,
    });
    const options = [
      '--objective',
      'e2e:64/8',
      '--affinity',
      '0',
      '--embed-flash',
      'off',
      '--quick',
      '--settle',
      '0',
      '--json',
    ];
    const { stdout, stderr, code } = await runTune(at, ['router', ...options]);
    expect(code, stderr).toBe(0);
    const run = JSON.parse(stdout) as TuneRun;
    expect(run.runtimeVersion).toBe('1.3.0 (simulated)');
    expect(run.trials.map(({ label }) => label)).toEqual(['all CPUs, embed flash on', 'mask 0x1, embed flash off']);
    // 294 ms for 128 tokens and 112 ms a token, at a fifth; the simulator comes late on a busy machine, never early.
    expect(run.trials[0]?.figures.ttftMs).toBeGreaterThan(0.2 * 294.43 * 0.45);
    expect(run.trials[0]?.figures.decodeTps).toBeLessThan(5 * 8.95 * 1.15);
    expect(run.trials.every(({ n }) => n > 0)).toBe(true);
    expect(processesOf(at)).toEqual([]);
  });
});
