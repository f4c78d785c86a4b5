import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerPolicyCommand } from '../../src/commands/policy.ts';
import { policyJsonSchema } from '../../src/policy/json-schema.ts';

let folder = '';
let out = '';
let err = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-command-'));
  out = '';
  err = '';
  vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
    out += `${String(line)}\n`;
  });
  vi.spyOn(console, 'error').mockImplementation((line: unknown) => {
    err += `${String(line)}\n`;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<number> {
  const program = new Command().exitOverride().option('--policy <file>', '', 'routing-policy.yaml');
  registerPolicyCommand(program);
  await program.parseAsync(['policy', ...args], { from: 'user' });
  return Number(process.exitCode ?? 0);
}

async function written(text: string): Promise<string> {
  const file = join(folder, 'p.yaml');
  await writeFile(file, text);
  return file;
}

describe('policy check', () => {
  it('summarises a good file and names missing model files', async () => {
    expect(await run('check')).toBe(0);
    expect(out).toMatch(/^OK .*routing-policy\.yaml \(revision [0-9a-f]{12}\)/);
    expect(out).toMatch(/qwen3\.5-27b +llama +cpu +0\.88 +idle .* batch +- +missing: .*Qwen_Qwen3\.5-27B-Q4_K_M\.gguf/);
    expect(out).toMatch(/batch +- +- +>= 0 +- +600 at p50 +22:00-07:00 Europe\/Berlin +defer/);
  });

  it('marks a model file that is there', async () => {
    const file = await written(
      'version: 1\nruntimes: { l: { kind: llama-server, device: cpu } }\nmodels: { m: { runtime: l, file: p.yaml } }\n',
    );
    expect(await run('check', file, '--json')).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ valid: true, models: [{ id: 'm', filePresent: true }] });
  });

  it('writes every fault to stderr and ends with 1', async () => {
    const file = await written('version: 1\ngatway: {}\nmodels: { m: { runtime: l } }\n');
    expect(await run('check', file)).toBe(1);
    expect(out).toBe('');
    expect(err.split('\n')).toEqual([
      `${file}:2:1 gatway: unknown key "gatway", did you mean "gateway"?`,
      `${file}:3:11 models.m.file: expected text, got nothing: the key is missing`,
      `${file}:3:25 models.m.runtime: no runtime is called "l"; known: no runtime is declared`,
      `${file}: 3 problems`,
      '',
    ]);
  });

  it('gives faults as JSON, with line and column', async () => {
    const file = await written('version: 7\n');
    expect(await run('check', file, '--json')).toBe(1);
    expect(JSON.parse(out)).toEqual({
      file,
      valid: false,
      problems: [{ line: 1, column: 10, path: 'version', message: 'expected 1, got 7' }],
    });
  });

  it('ends with 1 when there is no file', async () => {
    expect(await run('check', join(folder, 'none.yaml'))).toBe(1);
    expect(err).toContain('no such file; give one with --policy FILE');
  });
});

describe('policy schema', () => {
  it('prints the JSON Schema', async () => {
    expect(await run('schema')).toBe(0);
    expect(JSON.parse(out)).toEqual(policyJsonSchema());
  });
});
