import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { AnsweredRequest } from '../../src/commands/demo-requests.ts';
import { isAlive } from '../helpers/gateway.ts';
import { type InstalledPackage, installPackage } from '../helpers/installed-package.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// What ships: the tarball of `npm pack`, installed by npm into an empty folder, where `sluice demo` runs as a process of
// its own with real llama-server processes and a real worker on the simulated NPU library; and Debian's package of it.

const ROOT = join(import.meta.dirname, '../..');
let folder: string;
let installed: InstalledPackage;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-package-'));
  installed = await installPackage(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Run = { readonly answers: readonly AnsweredRequest[]; readonly said: string; readonly code: number };

async function demo(data: string, path = process.env['PATH'] ?? ''): Promise<Run> {
  const args = ['demo', '--once', '--json', '--port', '0', '--data', data];
  const child = spawn(installed.program, args, {
    cwd: folder,
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

describe('the Debian package', () => {
  test('holds what npm installs, depends on this Node, and brings a unit for where it puts the program', async () => {
    const { stdout: deb } = await execa(
      join(ROOT, 'scripts/packaging/build-deb'),
      ['--tarball', installed.tarball, '--modules', installed.modules, '--output', folder],
      { env: { DPKG_DEB_COMPRESSOR_TYPE: 'none' } },
    );
    const root = join(temporaryFolder(), 'root');
    await execa('dpkg-deb', ['--extract', deb, root]);
    const { stdout: fields } = await execa('dpkg-deb', ['--field', deb, 'Package', 'Depends']);
    expect(fields).toMatch(/^Package: sluice\nDepends: nodejs \(>= 20\.19\), nodejs \(<< 21\)/);
    const unit = readFileSync(join(root, 'usr/lib/systemd/system/sluice.service'), 'utf8');
    expect(unit).toContain('ExecStart=/usr/bin/sluice --policy /etc/sluice/routing-policy.yaml');
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    // The database's binding and everything else that a command loads are there and fit.
    const data = join(root, 'data');
    expect((await execa(join(root, 'usr/bin/sluice'), ['--version'])).stdout).toBe(version);
    const report = await execa(join(root, 'usr/bin/sluice'), ['--data', data, 'report', '--reference']);
    expect(report.stdout).toContain('qwen3.5-4b');
  });
});
