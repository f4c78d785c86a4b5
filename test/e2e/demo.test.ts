import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AnsweredRequest } from '../../src/commands/demo-requests.ts';
import { isAlive } from '../helpers/gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// `sluice demo` as a process of its own: real llama-server processes, and a real worker on the simulated NPU library.

type Run = { readonly answers: readonly AnsweredRequest[]; readonly said: string; readonly code: number };

async function demo(data: string, path = process.env['PATH'] ?? ''): Promise<Run> {
  const cli = join(import.meta.dirname, '../../src/cli.ts');
  const args = ['--import', 'tsx', cli, 'demo', '--once', '--json', '--port', '0', '--data', data];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [stdout, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { answers: code === 0 ? JSON.parse(stdout) : [], said, code: code as number };
}

/** A folder with everything PATH has but compilers. */
function pathWithoutCompilers(): string {
  const folder = join(temporaryFolder(), 'bin');
  mkdirSync(folder);
  const seen = new Set<string>();
  for (const place of (process.env['PATH'] ?? '').split(':')) {
    for (const name of namesIn(place)) {
      if (/(^|-)(gcc|cc|clang)([-0-9.]*)?$/.test(name) || seen.has(name)) continue;
      seen.add(name);
      symlinkSync(join(place, name), join(folder, name));
    }
  }
  return folder;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // PATH may name folders that are not there.
    return [];
  }
}

const modelsOf = ({ answers }: Run) => answers.map((answer) => [answer.class, answer.model]);

describe('sluice demo', () => {
  test('answers four classes by four processes, routing on a simulated NPU; without a compiler on the CPU', {
    timeout: 240_000,
  }, async () => {
    const data = temporaryFolder();
    const first = await demo(data);
    expect(first.code, first.said).toBe(0);
    expect(modelsOf(first)).toEqual([
      ['route', 'demo-npu-simulated'],
      ['interactive', 'demo-4b'],
      ['quality', 'demo-9b'],
      ['batch', 'demo-27b'],
    ]);
    expect(first.answers[0]?.text).toContain('I am the SIMULATED NPU tier');
    expect(first.said).toContain('demo-npu-simulated: a SIMULATED NPU, no hardware');
    expect(new Set(first.answers.map(({ pid }) => pid)).size).toBe(4);
    for (const { pid, predictedMs, actualMs, basis } of first.answers) {
      expect(basis).toBe('measured');
      expect(predictedMs).toBeGreaterThan(0);
      expect(actualMs).toBeGreaterThan(0);
      expect(isAlive(pid ?? 0)).toBe(false);
    }
    const policy = readFileSync(join(data, 'demo-policy.yaml'), 'utf8');
    expect(policy).toContain('# SIMULATED');

    const second = await demo(data, pathWithoutCompilers());
    expect(second.code, second.said).toBe(0);
    expect(second.said).toContain('all models have been measured before');
    expect(second.said).toMatch(/no simulated NPU, so demo-1\.7b answers route: .*no compiler gcc; install it/);
    expect(modelsOf(second)).toEqual([
      ['route', 'demo-1.7b'],
      ['interactive', 'demo-4b'],
      ['quality', 'demo-9b'],
      ['batch', 'demo-27b'],
    ]);
  });
});
