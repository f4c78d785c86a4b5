import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type GatewayOptions, startGateway } from '../app.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';
import { scaledClock } from '../core/scaled-clock.ts';
import { createEventBus, type EventBus } from '../observe/event-bus.ts';
import { type LogOptions, openEventLog } from '../observe/event-log.ts';
import { parseSizeBytes } from '../policy/units.ts';
import { openServiceManager } from '../transport/service-manager.ts';
import { formatTable } from './format-table.ts';
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
  readonly logFile?: string;
  readonly logFileSize: number;
  readonly logFiles: number;
  readonly simulate?: string;
  readonly speed?: number;
  readonly seed?: number;
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
    .option('--log-file <path>', 'keep the log in a file too, as JSON, with the output of the models')
    .addOption(
      new Option('--log-file-size <size>', 'put the file aside at this size')
        .argParser(parseSize)
        .default(10_000_000, '10MB'),
    )
    .addOption(new Option('--log-files <number>', 'older files to keep').argParser(parseFiles).default(5))
    .option('--simulate <board>', 'serve the policy as if on this board, without models; "list" shows the boards')
    .option(
      '--speed <factor>',
      `how many times as fast as on the board, up to ${SPEED_MAX} (default: ${SPEED_DEFAULT})`,
      parseSpeed,
    )
    .option('--seed <number>', 'of the noise in simulated times (default: 1)', parseSeed)
    .addHelpText('after', HELP)
    .action(async (_: unknown, command: Command) => {
      const options: ServeOptions = command.optsWithGlobals();
      const isDefault = (name: string) => command.getOptionValueSourceWithGlobals(name) === 'default';
      if (options.simulate !== undefined) {
        await serveSimulated(options, { policy: isDefault('policy'), data: isDefault('data') });
        return;
      }
      refuseStrayOptions(options);
      await runWithHeap(options.policy, (knownPolicy) => serve(options, { clock: systemClock, knownPolicy }));
    });
}

const HELP = `
SIGHUP reads the policy again; a changed file is picked up by itself.

With --simulate no model and no board is needed: each model is a process that keeps the time the board would take and
answers with a fixed sentence. Without --policy the shipped one is served; a data directory is made for the run and
removed after it, unless --data names one. All times, in answers, logs and status, are the board's.`;

const SPEED_DEFAULT = 50;
// A millisecond of this machine, which is what a request costs it beside the model, is then a second of the board.
const SPEED_MAX = 1_000;

function parseSize(text: string): number {
  try {
    return parseSizeBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

function parseFiles(text: string): number {
  const files = Number(text);
  if (Number.isInteger(files) && files >= 1 && files <= 100) return files;
  throw new InvalidArgumentError('expected a whole number from 1 to 100');
}

function parseSpeed(text: string): number {
  const speed = Number(text);
  if (speed > 0 && speed <= SPEED_MAX) return speed;
  throw new InvalidArgumentError(`expected a number above 0 and up to ${SPEED_MAX}`);
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed <= 1_000_000) return seed;
  throw new InvalidArgumentError('expected a whole number from 0 to 1000000');
}

function refuseStrayOptions({ speed, seed }: ServeOptions): void {
  if (speed === undefined && seed === undefined) return;
  const name = speed === undefined ? '--seed' : '--speed';
  throw new GatewayError('usage', `${name} is for a simulated board; name one with --simulate, for example rk3588`);
}

async function serveSimulated(
  options: ServeOptions,
  isDefault: { readonly policy: boolean; readonly data: boolean },
): Promise<void> {
  // Loaded only here: a gateway that serves models simulates none.
  const [{ BOARDS, findBoard }, { prepareSimulation }] = await Promise.all([
    import('../boards/boards.ts'),
    import('./prepare-simulation.ts'),
  ]);
  if (options.simulate === 'list') {
    const rows = BOARDS.map(({ id, title, source }) => [id, title, source]);
    console.log(formatTable(['board', 'what', 'figures from'], rows).join('\n'));
    return;
  }
  const { id } = findBoard(options.simulate ?? '');
  const original = isDefault.policy ? join(packageRoot(), 'routing-policy.yaml') : options.policy;
  await runWithHeap(original, async () => {
    const data = isDefault.data ? await mkdtemp(join(tmpdir(), `sluice-${id}-`)) : resolve(options.data);
    try {
      const speed = options.speed ?? SPEED_DEFAULT;
      const folder = join(data, `simulated-${id}`);
      const { policyFile } = await prepareSimulation({
        board: id,
        policyFile: original,
        folder,
        seed: options.seed ?? 1,
      });
      const simulation = { board: id, speed, policyFile: resolve(original) };
      await serve({ ...options, policy: policyFile, data }, { clock: scaledClock(systemClock, speed), simulation });
    } finally {
      if (isDefault.data) await rm(data, { recursive: true, force: true });
    }
  });
}

/**
 * A request passes some hundred small functions. With twice V8's own bound more of them become one: 8 % more replies per
 * second, for 3 MB. There is no room for it in the first line of cli.ts, of which Linux reads 255 characters.
 */
const INLINING = '--max-inlined-bytecode-size-cumulative=2000';

async function serve(
  options: ServeOptions,
  given: Pick<GatewayOptions, 'clock' | 'simulation' | 'knownPolicy'>,
): Promise<void> {
  setFlagsFromString(INLINING);
  const log = await openEventLog({
    format: options.logFormat ?? (process.stderr.isTTY ? 'text' : 'json'),
    level: options.logLevel,
    file:
      options.logFile === undefined
        ? undefined
        : { path: resolve(options.logFile), fileBytes: options.logFileSize, olderFiles: options.logFiles },
  });
  const events = createEventBus();
  events.subscribe((event) => log.write(event));
  if (given.simulation !== undefined) tellSimulation(events, given.simulation);
  // Before the first child, which must not inherit the socket.
  const manager = await openServiceManager({
    environment: process.env,
    clock: systemClock,
    onFailure: (message) => events.emit({ kind: 'gateway.notice', level: 'warn', message }),
  });
  const gateway = await startGateway({
    policyFile: options.policy,
    dataDir: options.data,
    host: options.host,
    port: options.port,
    allowAnonymous: options.allowAnonymous === true,
    ...given,
    events,
    environment: process.env,
  });
  events.emit({ kind: 'gateway.notice', level: 'info', message: `listening on ${gateway.url}` });
  manager?.ready(`listening on ${gateway.url}, loading models`);
  void gateway.settled().then(() => manager?.status(`serving on ${gateway.url}`));
  process.on('SIGHUP', () => void gateway.reload());
  await untilStopped();
  manager?.stopping();
  events.emit({
    kind: 'gateway.notice',
    level: 'info',
    message: 'stopping: running requests may finish; Ctrl-C again stops at once',
  });
  await gateway.stop();
  manager?.close();
  await log.close();
}

function tellSimulation(
  events: EventBus,
  { board, speed, policyFile }: NonNullable<GatewayOptions['simulation']>,
): void {
  const message =
    `SIMULATED ${board}: no model runs, ${policyFile} is served at ${speed} times the speed of the board. All times are ` +
    `the board's; a millisecond that this machine takes itself shows as ${speed} ms`;
  events.emit({ kind: 'gateway.notice', level: 'warn', message });
}
