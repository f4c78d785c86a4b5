import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { describeDiscovered, discoverUsable } from '../../src/commands/discover-models.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const STAND_IN = 'Qwen3-0.6B-w8a8-opt1-npu3-ctx4096-rk3588.rkllm';
const FOREIGN = 'Gemma3-1B-w4a16-rk3576.rkllm';

let library: string;
beforeAll(async () => {
  library = await buildSimulator('1.3.0');
});

/** A folder with a stand-in that the simulator runs, a real file that it does not, and one that is none. */
function shelf(): string {
  const folder = temporaryFolder();
  writeStandIn(join(folder, STAND_IN));
  writeFileSync(join(folder, FOREIGN), Buffer.alloc(2_000_000, 1));
  writeFileSync(join(folder, 'broken.rkllm'), '');
  return folder;
}

describe('discoverUsable', () => {
  it('tells of every file what is known of it and whether it runs here, with what helps', async () => {
    const folder = shelf();
    const found = await discoverUsable({ folder, name: undefined, library });
    expect(found.map(({ name, usable }) => [name, usable])).toEqual([
      ['gemma3-1b', false],
      ['qwen3-0.6b', true],
      ['broken', false],
    ]);
    expect(found[1]).toMatchObject({ soc: 'rk3588', dtype: 'w8a8', opt_level: 1, npu_cores: 3, context: 4096 });
    expect(found[0]).toMatchObject({ reason: expect.stringContaining('simulator'), remedy: expect.any(String) });
    expect(found[2]?.reason).toContain('is empty');
  });

  it.each(['qwen3-0.6b', STAND_IN, 'QWEN3-0.6B-w8a8-opt1-npu3-ctx4096-rk3588'])('finds a file by %s', async (name) => {
    const folder = shelf();
    const found = await discoverUsable({ folder, name, library });
    expect(found.map(({ file }) => file)).toEqual([join(folder, STAND_IN)]);
  });

  it('judges by the library it is given', async () => {
    const [model] = await discoverUsable({ folder: shelf(), name: 'qwen3-0.6b', library: '/nowhere/librkllmrt.so' });
    expect(model).toMatchObject({ usable: false, reason: expect.stringContaining('/nowhere/librkllmrt.so') });
  });
});

describe('describeDiscovered', () => {
  it('is a table and a line for every file that cannot run', async () => {
    const lines = describeDiscovered(await discoverUsable({ folder: shelf(), name: undefined, library }));
    expect(lines).toHaveLength(6);
    expect(lines[2]).toMatch(/^qwen3-0\.6b\s+rk3588\s+w8a8\s+3\s+4096\s+\S+\s+yes/);
    expect(lines[4]).toMatch(/gemma3.*simulator.*; name librkllmrt/i);
  });

  it('says so where there is nothing', () => {
    expect(describeDiscovered([])).toEqual(['no .rkllm files found']);
  });
});

describe('sluice models discover', () => {
  it('prints the files as JSON, and fails for a name nobody answers to', async () => {
    const folder = shelf();
    const run = (...args: readonly string[]) =>
      execa(process.execPath, ['--import', 'tsx', CLI, 'models', 'discover', folder, ...args, '--library', library], {
        reject: false,
      });
    const { stdout } = await run('--json');
    expect(JSON.parse(stdout)).toHaveLength(3);
    const none = await run('llama9');
    expect(none.exitCode).toBe(1);
    expect(none.stderr).toContain('answers to llama9');
  });
});
