import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerSimulateCommand } from '../../src/commands/simulate.ts';

const SMALL = `version: 1
name: small
duration: 2h
classes:
  route: { per_hour: 40, prompt: { median: 60, sigma: 0.5 }, output: { median: 8, sigma: 0.5 }, tasks: { extract: { share: 1 } } }
  interactive: { per_hour: 30, stream: true, prompt: { median: 100, sigma: 0.8 }, output: { median: 50, sigma: 0.8 }, tasks: { chat: { share: 1 } } }
`;

let folder = '';
let out = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-simulate-'));
  await writeFile(join(folder, 'small.yaml'), SMALL);
  out = '';
  vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
    out += `${String(line)}\n`;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<void> {
  const program = new Command().exitOverride().option('--policy <file>', '', 'routing-policy.yaml');
  registerSimulateCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  await program.parseAsync(['simulate', '--workload', join(folder, 'small.yaml'), ...args], { from: 'user' });
}

describe('sluice simulate', () => {
  it('prints workload and policies as JSON, ours first and the clairvoyant among them', async () => {
    await run('--seeds', '2', '--json');
    const printed = JSON.parse(out) as {
      workload: { name: string; load: number };
      policies: {
        policy: string;
        qg: number;
        qgInterval: number[];
        slo: Record<string, number>;
        coverage: number;
        swaps: number;
      }[];
    };
    expect(printed.workload).toMatchObject({ name: 'small', load: 1, seeds: 2, climate: 'steady', wrongBench: false });
    const [first] = printed.policies;
    expect(first?.policy).toBe('ours');
    expect(first?.qg).toBeGreaterThan(0);
    expect(first?.qgInterval[0]).toBeLessThanOrEqual(first?.qg ?? 0);
    expect(first?.slo['interactive']).toBeGreaterThan(0.5);
    expect(first?.coverage).toBeGreaterThan(0.5);
    expect(first?.swaps).toBe(0);
    expect(printed.policies.map(({ policy }) => policy)).toContain('clairvoyant');
  });

  it('compares only what is named, against ours, in a table', async () => {
    await run('--seeds', '2', '--policies', 'always-qwen3.5-9b,random', '--wrong-bench', '--drift');
    expect(out).toMatch(/^workload small, load 1, 2 days, drift climate, wrong benchmarks \(simulated\)$/m);
    const rules = out
      .split('\n')
      .slice(3, -1)
      .map((line) => line.slice(0, 18).trim());
    expect(rules).toEqual(['ours', 'always qwen3.5-9b', 'random']);
  });

  it('takes targets from --slo: more time, more answers in time', async () => {
    const attained = async (slo: string) => {
      out = '';
      await run('--seeds', '2', '--policies', 'always-qwen3.5-4b', '--slo', slo, '--json');
      const printed = JSON.parse(out) as { policies: { slo: { interactive: number } }[] };
      return printed.policies[1]?.slo.interactive ?? 0;
    };
    expect(await attained('loose')).toBeGreaterThan(await attained('tight'));
  });

  it('simulates the models of a policy that is named', async () => {
    await run('--seeds', '1', '--policy', join(import.meta.dirname, '..', '..', 'routing-policy.yaml'));
    expect(out).toMatch(/^always qwen2\.5-3b /m);
  });

  it('writes the plot', async () => {
    const file = join(folder, 'qg.svg');
    await run('--seeds', '1', '--policies', 'random', '--svg', file);
    expect(await readFile(file, 'utf8')).toMatch(/^<svg [\s\S]*ours[\s\S]*<\/svg>\n$/);
  });

  it.each([
    [['--policies', 'nobody'], /no rule "nobody" to compare with; there are: ours, clairvoyant, always qwen3-1\.7b/],
    [['--load', '0'], /expected a number above 0/],
    [['--seeds', '1.5'], /expected a whole number/],
    [['--slo', 'lax'], /Allowed choices are tight, loose/],
    [['--workload', '/nowhere.yaml'], /cannot read the workload \/nowhere\.yaml/],
  ])('refuses %j', async (args, expected) => {
    await expect(run(...args)).rejects.toThrow(expected);
  });
});
