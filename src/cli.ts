#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { registerBenchCommand } from './commands/bench.ts';
import { registerDemoCommand } from './commands/demo.ts';
import { registerExplainCommand } from './commands/explain.ts';
import { registerModelsCommand } from './commands/models.ts';
import { registerPolicyCommand } from './commands/policy.ts';
import { registerServeCommand } from './commands/serve.ts';
import { registerStatusCommand } from './commands/status.ts';
import { GatewayError } from './core/errors.ts';
import { packageVersion } from './core/package-root.ts';

/** Exit codes: 0 ok, 1 failed, 2 usage. */
async function main(): Promise<number> {
  const program = new Command('sluice')
    .description('One endpoint in front of several local model runtimes, routed by what was measured.')
    .version(packageVersion())
    .addOption(new Option('--policy <file>', 'policy file').default('routing-policy.yaml'))
    .addOption(new Option('--data <dir>', 'data directory: SQLite, logs, lock').default('./data'))
    .showHelpAfterError('(--help lists what can be given)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  registerServeCommand(program);
  registerDemoCommand(program);
  registerBenchCommand(program);
  registerExplainCommand(program);
  registerPolicyCommand(program);
  registerModelsCommand(program);
  registerStatusCommand(program);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  try {
    await program.parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  // Commander has already printed its own; help and version are not failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof GatewayError) {
    console.error(`sluice: ${error.message}`);
    return error.code === 'usage' ? 2 : 1;
  }
  console.error('sluice: this is a bug:', error);
  return 1;
}

process.exitCode = await main();
