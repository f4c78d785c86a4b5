import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatStandIn } from '../../runtimes/rkllm/files/model-file.ts';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { QUESTIONS } from '../../scripts/board-checks/model-day.ts';
import type { DayReport } from '../../scripts/board-checks/report.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/board-day');
const BOARD = join(import.meta.dirname, '../fixtures/sysroots/rk3588');

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function boardDay(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(SCRIPT, words, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const reportOf = (ended: Ended): DayReport =>
  JSON.parse(readFileSync(ended.stdout.trim().replace(/md$/, 'json'), 'utf8'));

function standIn(): string {
  const path = join(temporaryFolder(), 'qwen3-0.6b-w8a8-rk3588.rkllm');
  const facts = {
    model: 'qwen3-0.6b',
    contextTokens: 1024,
    npuCores: 3,
    soc: 'rk3588',
    dtype: 'w8a8',
    toolkitVersion: '1.2.3',
  };
  writeFileSync(path, `${formatStandIn(facts)}prefill_ms=0.05\ndecode_ms=2\n`);
  return path;
}

describe('scripts/board-day', () => {
  it('says what is missing on a machine without an NPU, and exits 1', async () => {
    const ended = await boardDay('--sysroot', temporaryFolder(), '--out', temporaryFolder());
    expect(ended.code).toBe(1);
    const report = reportOf(ended);
    const missing = report.checks.filter(({ status }) => status === 'missing').map(({ id }) => id);
    expect(missing).toEqual(['chip', 'driver', 'device', 'library', 'model']);
    expect(report.entries).toEqual([]);
    expect(ended.stderr).toMatch(/missing +chip: .*\n +→ run this on an RK3588/);
    expect(readFileSync(ended.stdout.trim(), 'utf8')).toContain('Nothing was asked of the NPU');
  });

  it('takes neither the simulator nor a stand-in for hardware', async () => {
    const root = temporaryFolder();
    const put = (path: string, text: string) => {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    put('proc/device-tree/compatible', 'board\0rockchip,rk3588\0');
    put('sys/kernel/debug/rknpu/version', 'RKNPU driver: v0.9.8\n');
    put('dev/dri/renderD129', '');
    const library = await buildSimulator('1.3.0');
    const ended = await boardDay(
      '--sysroot',
      root,
      '--library',
      library,
      '--model',
      standIn(),
      '--out',
      temporaryFolder(),
    );
    expect(ended.code).toBe(1);
    const missing = reportOf(ended).checks.filter(({ status }) => status === 'missing');
    expect(missing.map(({ id }) => id)).toEqual(['library', 'model']);
    expect(missing[0]?.found).toContain('simulator');
  });

  it.each([['1.2.3'], ['1.3.0']])(
    'asks every question of the simulated %s, and says that it is no hardware',
    async (version) => {
      const library = await buildSimulator(version);
      const words = ['--rehearse', '--library', library, '--model', standIn(), '--sysroot', BOARD, '--limit', '60'];
      const ended = await boardDay(...words, '--out', temporaryFolder());
      const report = reportOf(ended);
      const asked = report.entries.map(({ check }) => check);
      expect(asked).toEqual([...Object.keys(QUESTIONS), 'second-process', 'after-kill']);
      expect(report.entries.filter(({ outcome }) => outcome.kind !== 'done')).toEqual([]);
      expect(ended.code).toBe(0);
      expect(report.simulated).toBe(true);
      expect(readFileSync(ended.stdout.trim(), 'utf8')).toContain('SIMULATED');
    },
    180_000,
  );

  it('an unknown flag is a mistake of usage', async () => {
    expect(await boardDay('--nope')).toMatchObject({ code: 2, stderr: expect.stringContaining('--help') });
    expect(await boardDay('--limit', 'soon')).toMatchObject({ code: 2, stderr: expect.stringContaining('soon') });
  });
});
