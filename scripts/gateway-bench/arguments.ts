import { parseArgs } from 'node:util';
import { GatewayError, messageOf } from '../../src/core/errors.ts';

/** What stands between the load generator and the upstream. */
export const TARGETS = ['direct', 'relay', 'portkey', 'gateway'] as const;
/** One of {@link TARGETS}. */
export type TargetName = (typeof TARGETS)[number];

/** The things measured, in the order they run. */
export const MEASUREMENTS = [
  'latency',
  'throughput',
  'streams',
  'streams-per-token',
  'start',
  'memory',
  'decide',
  'load',
] as const;
/** One of {@link MEASUREMENTS}. */
export type MeasurementName = (typeof MEASUREMENTS)[number];

/** The command line, read. */
export type BenchArguments =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'run';
      readonly rounds: number;
      readonly quick: boolean;
      readonly json: boolean;
      readonly measurements: readonly MeasurementName[];
      readonly targets: readonly TargetName[];
      /** Folder the results go to; undefined = they are only printed. */
      readonly outDir: string | undefined;
    };

/** Text of `--help`. */
export const HELP = `usage: scripts/bench-gateway [flags]

Measures what the gateway costs: against the upstream itself, a bare Node relay, and the npm package
@portkey-ai/gateway, in interleaved rounds. Needs gcc, npm, and the built gateway (npm run build).

  --rounds N       rounds per measurement (default 7, with --quick 2)
  --quick          short runs, to see that everything works; the figures are not kept
  --only NAMES     some of: ${MEASUREMENTS.join(', ')}
  --targets NAMES  some of: ${TARGETS.join(', ')} (default: all); without gateway, start, memory and
                   load are left out
  --out DIR        folder for <date>-<host kind>.json and .md (default bench-results/gateway; none with --quick)
  --json           print the result as JSON in place of the table
  --help           print this

exit codes: 0 measured and every target met · 1 failed, or a target missed · 2 usage
`;

const ROUNDS_MAX = 1000;

/** Reads the command line. Throws `usage` naming the flag and what it takes. */
export function parseArguments(words: readonly string[], defaultOutDir: string): BenchArguments {
  const { values } = readFlags(words);
  if (values.help === true) return { kind: 'help' };
  const quick = values.quick === true;
  const rounds = values.rounds === undefined ? (quick ? 2 : 7) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
    throw new GatewayError('usage', `--rounds takes a whole number from 1 to ${ROUNDS_MAX}, not ${values.rounds}`);
  }
  return {
    kind: 'run',
    rounds,
    quick,
    json: values.json === true,
    measurements: someOf('--only', values.only, MEASUREMENTS),
    targets: someOf('--targets', values.targets, TARGETS),
    outDir: values.out ?? (quick ? undefined : defaultOutDir),
  };
}

function readFlags(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'boolean' },
        only: { type: 'string' },
        targets: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    throw new GatewayError('usage', `${messageOf(cause)}; see --help`, { cause });
  }
}

function someOf<Name extends string>(flag: string, given: string | undefined, all: readonly Name[]): readonly Name[] {
  if (given === undefined) return all;
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.some((known) => known === name));
  if (unknown !== undefined) {
    throw new GatewayError('usage', `${flag} does not know "${unknown}"; it takes some of ${all.join(', ')}`);
  }
  return all.filter((name) => names.includes(name));
}
