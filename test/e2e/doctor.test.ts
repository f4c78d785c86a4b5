import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/doctor/finding.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// This machine itself, with a real llama-server and a real model, and a copied board through the whole command.

const CLI = join(import.meta.dirname, '../../src/cli.ts');

const start = (args: readonly string[]) =>
  spawn(process.execPath, ['--import', 'tsx', CLI, 'doctor', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });

async function doctor(...args: string[]) {
  const child = start(args);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr, code: code as number };
}

function policyFile(settings: string): { readonly folder: string; readonly file: string } {
  const folder = temporaryFolder();
  const file = join(folder, 'policy.yaml');
  const model = join(process.env['SLUICE_TEST_MODELS'] ?? '', 'demo-1.7b.gguf');
  const binary = process.env['SLUICE_TEST_LLAMA_SERVER'];
  const lines = [
    'version: 1',
    'devices: { cpu: { lanes: 1 } }',
    `runtimes: { llama: { kind: llama-server, device: cpu, binary: "${binary}" } }`,
    `models: { demo: { runtime: llama, file: "${model}", settings: ${settings} } }`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { folder, file };
}

describe('sluice doctor', () => {
  it('looks at this machine, its programs and models, and makes the data folder when it is told to', async () => {
    const { folder, file } = policyFile('{ context: 512, threads: 1 }');
    const data = join(folder, 'data');
    const { stdout, stderr, code } = await doctor('--json', '--policy', file, '--data', data, '--fix', '--load', '1s');
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const found = new Map(findings.map((finding) => [finding.id, finding]));
    expect(found.get('llama-server')).toMatchObject({ severity: 'ok', why: expect.stringContaining('1 of 1 models') });
    expect(found.get('models')).toMatchObject({ severity: 'ok', measured: '1 of 1 can run' });
    expect(found.get('load')?.measured).toMatch(/busy cores? for 1 s/);
    expect([...found.keys()].some((id) => id.startsWith('storage/'))).toBe(true);
    expect(stderr).toContain(`fix: would do: mkdir -p ${data}`);
    expect(existsSync(data)).toBe(false);
    expect(code).toBe(findings.some(({ severity }) => severity === 'error') ? 1 : 0);

    const mended = await doctor('--policy', file, '--data', data, '--fix', '--yes');
    expect(mended.stderr).toContain(`fix: done: mkdir -p ${data}`);
    expect(existsSync(data)).toBe(true);
    expect(mended.stdout).toContain(`ok    data folder: ${data}`);
    expect(readdirSync(data)).toEqual([]);
  });

  it('names a file that a model needs and does not have', async () => {
    const { file } = policyFile('{ context: 512, chat_template_file: none.jinja }');
    const { stdout, code } = await doctor('--json', '--policy', file);
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    expect(findings.find(({ id }) => id === 'model-file/demo')).toMatchObject({
      severity: 'error',
      measured: expect.stringContaining('none.jinja'),
    });
    expect(code).toBe(1);
  });

  it('reports a copied board as the fixture expects, and ends with 1 for its errors', async () => {
    const sysroot = await copyBoard('youyeetoo-r1-kernel-5.10');
    const { stdout, code } = await doctor(
      '--sysroot',
      sysroot,
      '--policy',
      join(sysroot, 'userdata/sluice/routing-policy.yaml'),
    );
    expect(stdout).toContain('ERROR NPU driver: NPU driver 0.8.2 is older than 0.9.7');
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ errors?, \d+ warnings, \d+ to know, \d+ fine$/);
    expect(code).toBe(1);
  });

  it('ends the load on Ctrl-C, leaves no child, and still reports', async () => {
    const { file } = policyFile('{ context: 512 }');
    const child = start(['--json', '--policy', file, '--load', '1h']);
    const stdout = text(child.stdout);
    const lines = createInterface({ input: child.stderr });
    for await (const line of lines) if (line.startsWith('load:')) break;
    const busy = await until('busy children', () => {
      const pids = childrenOf(child.pid as number).filter((pid) => commandOf(pid).includes('Float32Array'));
      return pids.length > 0 && pids;
    });
    child.kill('SIGINT');
    await once(child, 'exit');
    await until('their end', () => busy.every((pid) => commandOf(pid) === ''));
    const { findings } = JSON.parse(await stdout) as { findings: Finding[] };
    expect(findings.at(-1)).toMatchObject({ id: 'load', measured: expect.stringContaining('(ended early)') });
  });

  it('ends with 2 where it is used wrongly', async () => {
    const { stderr, code } = await doctor('--yes');
    expect(stderr).toContain('belong to --fix');
    expect(code).toBe(2);
  });
});

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone.
    return '';
  }
};
const commandOf = (pid: number): string => read(`/proc/${pid}/cmdline`);
const childrenOf = (pid: number): readonly number[] =>
  read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
