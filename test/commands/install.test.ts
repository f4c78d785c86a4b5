import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerInstallCommand } from '../../src/commands/install.ts';
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
  vi.unstubAllEnvs();
});

async function run(...args: string[]): Promise<void> {
  const program = new Command().exitOverride().option('--policy <file>', '', 'routing-policy.yaml');
  registerInstallCommand(program);
  await program.parseAsync(args, { from: 'user' });
}

const policy = (kind: string, folder = temporaryFolder()): string => {
  const file = join(folder, 'policy.yaml');
  writeFileSync(
    file,
    `version: 1\nruntimes: { a: { kind: ${kind}, device: cpu } }\nmodels: { m: { runtime: a, file: /srv/m } }\n`,
  );
  return file;
};

describe('sluice install', () => {
  it('shows the files and the commands without writing anything', async () => {
    const file = policy('rkllm');
    await run('--policy', file, 'install', '--dry-run');
    expect(out).toMatch(/^# \/etc\/systemd\/system\/sluice\.service$/m);
    expect(out).toContain(`--policy ${file} --data /var/lib/sluice serve`);
    expect(out).toContain('DeviceAllow=/dev/rknpu rw');
    expect(out).toMatch(/^u sluice - /m);
    expect(out).toContain('sudo systemctl enable --now sluice');
    expect(out).not.toContain('sluice init');
  });

  it('leaves devices out where the policy has no NPU', async () => {
    await run('--policy', policy('llama-server'), 'install', '--dry-run');
    expect(out).toContain('PrivateDevices=yes');
  });

  it('refuses a policy that is wrong', async () => {
    await expect(run('--policy', policy('llama-server\nnonsense: 1 #'), 'install', '--dry-run')).rejects.toThrow();
  });

  it('writes a unit of one user, and replaces it only with --force', async () => {
    const home = temporaryFolder();
    vi.stubEnv('XDG_CONFIG_HOME', home);
    await run('install', '--user');
    const file = join(home, 'systemd/user/sluice.service');
    expect(readFileSync(file, 'utf8')).toContain('WantedBy=default.target');
    expect(out).toContain(`sluice init --models DIR --output ${join(home, 'sluice/routing-policy.yaml')}`);
    await expect(run('install', '--user')).rejects.toThrow(/exists; --force replaces it/);
    await run('install', '--user', '--force');
  });
});
