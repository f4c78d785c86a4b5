import { type Command, Option } from 'commander';
import { startGateway } from '../app.ts';
import { systemClock } from '../core/clock.ts';
import { createEventBus } from '../observe/event-bus.ts';
import { type LogOptions, openEventLog } from '../observe/event-log.ts';
import { parsePort } from './parse-port.ts';
import { runWithHeap } from './run-with-heap.ts';
import { untilStopped } from './until-stopped.ts';

type ServeOptions = {
  readonly policy: string;
  readonly data: string;
  readonly host?: string;
  readonly port?: number;
  readonly allowAnonymous?: true;
  readonly logFormat?: LogOptions['format'];
  readonly logLevel: LogOptions['level'];
};

/** Adds `sluice serve`. */
export function registerServeCommand(program: Command): void {
  program
    .command('serve')
    .description('start the gateway and keep serving until Ctrl-C')
    .option('--host <address>', 'address to listen on (default: gateway.host of the policy)')
    .option('--port <number>', 'port to listen on, 0 = a free one (default: gateway.port of the policy)', parsePort)
    .option('--allow-anonymous', 'serve other machines without API keys')
    .addOption(new Option('--log-format <format>', 'default: text on a terminal, else json').choices(['text', 'json']))
    .addOption(
      new Option('--log-level <level>', 'debug adds the output of the models')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', '\nSIGHUP reads the policy again; a changed file is picked up by itself.')
    .action(async (_: unknown, command: Command) => {
      const options: ServeOptions = command.optsWithGlobals();
      await runWithHeap(options.policy, () => serve(options));
    });
}

async function serve(options: ServeOptions): Promise<void> {
  const log = await openEventLog({
    format: options.logFormat ?? (process.stderr.isTTY ? 'text' : 'json'),
    level: options.logLevel,
  });
  const events = createEventBus();
  events.subscribe((event) => log.write(event));
  const gateway = await startGateway({
    policyFile: options.policy,
    dataDir: options.data,
    host: options.host,
    port: options.port,
    allowAnonymous: options.allowAnonymous === true,
    clock: systemClock,
    events,
    environment: process.env,
  });
  events.emit({ kind: 'gateway.notice', level: 'info', message: `listening on ${gateway.url}` });
  process.on('SIGHUP', () => void gateway.reload());
  await untilStopped();
  events.emit({
    kind: 'gateway.notice',
    level: 'info',
    message: 'stopping: running requests may finish; Ctrl-C again stops at once',
  });
  await gateway.stop();
  log.flush();
}
