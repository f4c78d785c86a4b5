import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { registerDoctorCommand } from '../../src/commands/doctor.ts';

function run(args: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerDoctorCommand(program);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  return program.parseAsync(['node', 'sluice', 'doctor', ...args]);
}

describe('sluice doctor', () => {
  it.each([
    [['--load', 'long'], 'expected a duration'],
    [['--yes'], 'belong to --fix'],
    [['--dry-run'], 'belong to --fix'],
    [['--fix', '--yes', '--dry-run'], 'exclude each other'],
    [['--sysroot', '/no/such/folder'], 'no such folder'],
    [['--sysroot', '/proc', '--load', '1s'], 'leave --sysroot out'],
  ])('refuses %j before it looks at anything', async (args, message) => {
    await expect(run(args)).rejects.toThrow(message);
  });
});
