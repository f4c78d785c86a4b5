import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemdUnit, type UnitOptions } from '../../src/init/systemd-unit.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const OPTIONS: UnitOptions = {
  program: [process.execPath, '--max-old-space-size=256', '/opt/sluice/dist/src/cli.js'],
  policyFile: '/etc/sluice/routing-policy.yaml',
  scope: 'system',
  npu: true,
  readsHomes: false,
};

/** Writes the unit and asks systemd's own checker about it; returns what it says. */
function analyze(options: UnitOptions, ...args: readonly string[]): string {
  if (!existsSync('/usr/bin/systemd-analyze')) {
    throw new Error('this test needs systemd-analyze (Debian: apt-get install systemd)');
  }
  const file = join(temporaryFolder(), 'sluice.service');
  writeFileSync(file, systemdUnit(options));
  // Warnings go to standard error and are faults here.
  return execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', '/usr/bin/systemd-analyze', '--no-pager', ...args, file], {
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: temporaryFolder() },
  });
}

describe('systemdUnit', () => {
  it.each([
    ['with an NPU', OPTIONS],
    ['without one', { ...OPTIONS, npu: false }],
    ['with words that need quoting', { ...OPTIONS, policyFile: '/etc/my "sluice" 100%/$HOME.yaml' }],
  ])('%s has nothing that systemd-analyze objects to', (_, options) => {
    expect(analyze(options, 'verify')).toBe('');
  });

  it("of a user has nothing that a user's manager objects to", () => {
    const options: UnitOptions = { ...OPTIONS, scope: 'user' };
    expect(analyze(options, '--user', 'verify')).toBe('');
    expect(systemdUnit(options)).not.toMatch(/^(User|ProtectSystem|DeviceAllow)=/m);
  });

  it.each([
    [true, 20],
    [false, 16],
  ])('is rated no worse than it was by systemd-analyze security (NPU: %s, %s tenths)', (npu, tenths) => {
    const said = analyze({ ...OPTIONS, npu }, 'security', '--offline=true', `--threshold=${tenths}`);
    expect(said).toContain('Overall exposure level');
  });

  it('lets in the devices of the NPU only where it is used', () => {
    expect(systemdUnit(OPTIONS)).toContain('DeviceAllow=/dev/rknpu rw');
    const without = systemdUnit({ ...OPTIONS, npu: false });
    expect(without).not.toContain('DeviceAllow');
    expect(without).toContain('PrivateDevices=yes');
  });

  it('opens homes for reading only where something lies there', () => {
    expect(systemdUnit(OPTIONS)).toContain('ProtectHome=yes');
    expect(systemdUnit({ ...OPTIONS, readsHomes: true })).toContain('ProtectHome=read-only');
  });

  it('quotes what systemd would expand or split', () => {
    const unit = systemdUnit({ ...OPTIONS, policyFile: '/srv/my policies/100%$x.yaml' });
    expect(unit).toContain('--policy "/srv/my policies/100%%$$x.yaml" --data /var/lib/sluice serve');
  });
});
