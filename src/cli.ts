#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 node --max-old-space-size=256 --max-semi-space-size=8 --min-semi-space-size=8 --no-allocation-site-pretenuring --no-wasm-tier-up --no-wasm-dynamic-tiering
// The memory belongs to the models. A gateway lives on some 30 MB of objects, and Node, left alone, lets garbage pile up
// to several times that before it collects: these limits halve the resident memory and cost no throughput (the figures
// are in bench-results/gateway). `machine.node_heap` sets another limit.
//
// Threads other than the main one share one arena of the C library, which gives back what they no longer need. And undici's
// HTTP parser, which is WebAssembly, stays as the quick compiler has made it: optimizing its one large function takes 40 MB
// for a moment, of which 15 stay, for 7 % more replies per second.
import { Command, CommanderError, Option } from 'commander';
import { GatewayError } from './core/errors.ts';
import { OWN_ENVIRONMENT } from './core/own-environment.ts';
import { packageVersion } from './core/package-root.ts';

type Register = (program: Command) => void;

/** Each command's code is loaded only when it is asked for: a gateway need not wait for what benchmarks import. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  init: async () => (await import('./commands/init.ts')).registerInitCommand,
  install: async () => (await import('./commands/install.ts')).registerInstallCommand,
  serve: async () => (await import('./commands/serve.ts')).registerServeCommand,
  demo: async () => (await import('./commands/demo.ts')).registerDemoCommand,
  bench: async () => (await import('./commands/bench.ts')).registerBenchCommand,
  tune: async () => (await import('./commands/tune.ts')).registerTuneCommand,
  report: async () => (await import('./commands/report.ts')).registerReportCommand,
  batch: async () => (await import('./commands/batch.ts')).registerBatchCommand,
  explain: async () => (await import('./commands/explain.ts')).registerExplainCommand,
  policy: async () => (await import('./commands/policy.ts')).registerPolicyCommand,
  models: async () => (await import('./commands/models.ts')).registerModelsCommand,
  train: async () => (await import('./commands/train.ts')).registerTrainCommand,
  simulate: async () => (await import('./commands/simulate.ts')).registerSimulateCommand,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctorCommand,
  status: async () => (await import('./commands/status.ts')).registerStatusCommand,
};

/** Exit codes: 0 ok, 1 failed, 2 usage. */
async function main(args: readonly string[]): Promise<number> {
  const program = new Command('sluice')
    .description('One endpoint in front of several local model runtimes, routed by what was measured.')
    .version(packageVersion())
    .addOption(new Option('--policy <file>', 'policy file').default('routing-policy.yaml'))
    .addOption(new Option('--data <dir>', 'data directory: SQLite, logs, lock').default('./data'))
    .showHelpAfterError('(--help lists what can be given)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  // Every word that could name the command (an option's value may look like one); for help, all.
  const named = args.filter((word) => Object.hasOwn(COMMANDS, word));
  const wanted = named.length === 0 || args[0] === 'help' ? Object.keys(COMMANDS) : new Set(named);
  for (const name of wanted) (await COMMANDS[name]?.())?.(program);
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
  // A folder or file that cannot be had (EACCES, ENOSPC, …) is the operator's to mend, and says which it is.
  if (error instanceof Error && 'syscall' in error && 'path' in error) {
    console.error(`sluice: ${error.message}`);
    return 1;
  }
  console.error('sluice: this is a bug:', error);
  return 1;
}

for (const name of Object.keys(OWN_ENVIRONMENT)) delete process.env[name];
process.exitCode = await main(process.argv.slice(2));
