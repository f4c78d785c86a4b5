import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerInitCommand } from '../../src/commands/init.ts';
import { writeTier } from '../../src/demo/tiers.ts';
import { checkPolicy } from '../../src/policy/parse.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

let out = '';

beforeEach(() => {
  out = '';
  vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
    out += `${String(line)}\n`;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function run(...args: string[]): Promise<void> {
  const program = new Command().exitOverride().option('--policy <file>', '', 'routing-policy.yaml');
  registerInitCommand(program);
  await program.parseAsync(['init', '--yes', ...args], { from: 'user' });
}

/** A folder with one model, and the policy to be written beside it. */
async function shelf() {
  const folder = temporaryFolder();
  const models = join(folder, 'models');
  await writeTier('tiny', join(folder, 'Tiny-1B-Q4_K_M.gguf'));
  return { folder, models, output: join(folder, 'new', 'policy.yaml') };
}

describe('sluice init', () => {
  it('writes a policy that passes the check, names the models and says what comes next', async () => {
    const { folder, output } = await shelf();
    await run('--models', folder, '--output', output);
    const result = checkPolicy(readFileSync(output, 'utf8'), output);
    expect(result).toMatchObject({ kind: 'valid' });
    if (result.kind === 'valid') {
      const [model] = result.policy.models.values();
      expect(model).toMatchObject({ id: 'tiny-1b', file: join(folder, 'Tiny-1B-Q4_K_M.gguf') });
    }
    expect(out).toMatch(/tiny-1b +llama-server/);
    expect(out).toContain(`sluice --policy ${output} serve`);
  });

  it('refuses to replace a file, and with --force keeps what it replaces, every time', async () => {
    const { folder, output } = await shelf();
    await run('--models', folder, '--output', output);
    const first = readFileSync(output, 'utf8');
    await expect(run('--models', folder, '--output', output)).rejects.toThrow(/exists; --force replaces it/);
    writeFileSync(output, 'mine');
    await run('--models', folder, '--output', output, '--force');
    await run('--models', folder, '--output', output, '--force');
    expect(readFileSync(`${output}.bak`, 'utf8')).toBe('mine');
    expect(readFileSync(`${output}.bak2`, 'utf8')).toBe(first);
    expect(readFileSync(output, 'utf8')).toBe(first);
  });

  it('writes nothing where the folder of models cannot be read', async () => {
    const { models, output } = await shelf();
    await expect(run('--models', models, '--output', output)).rejects.toThrow(/cannot look for models/);
    expect(existsSync(output)).toBe(false);
  });

  it('takes the file that --policy names where no other is given', async () => {
    const { folder } = await shelf();
    const program = new Command().exitOverride().option('--policy <file>', '', 'routing-policy.yaml');
    registerInitCommand(program);
    const file = join(folder, 'mine.yaml');
    await program.parseAsync(['--policy', file, 'init', '--yes', '--models', folder], { from: 'user' });
    expect(existsSync(file)).toBe(true);
  });
});
