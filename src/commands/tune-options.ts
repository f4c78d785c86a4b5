import { type Command, InvalidArgumentError } from 'commander';
import type { cpuGroups, NarrowedAxes } from '../bench/tune/space.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { CACHE_TYPES } from '../policy/schema-settings.ts';
import { parseCpuList, parseSizeBytes } from '../policy/units.ts';
import { parseSettle, parseTime } from './measuring.ts';

/** Options of `sluice tune` as they come from the command line. */
export type TuneCommandOptions = {
  readonly policy: string;
  readonly data: string;
  readonly objective?: string;
  readonly memory?: number;
  readonly budget?: number;
  readonly affinity?: readonly string[];
  readonly threads?: readonly number[];
  readonly flashAttention?: readonly ('on' | 'off')[];
  readonly kv?: readonly { readonly k: string; readonly v: string }[];
  readonly batch?: readonly { readonly batch: number; readonly ubatch: number }[];
  readonly loadMode?: readonly ('mmap' | 'none' | 'mlock')[];
  readonly embedFlash?: readonly ('on' | 'off')[];
  readonly context?: readonly number[];
  readonly settle?: number;
  readonly quick?: true;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly yes?: true;
  readonly resume?: true | string;
  readonly list?: true;
  readonly show?: string;
  readonly json?: true;
};

/** Options that say what a new run searches, by the name they are asked for with. */
export const SEARCH_OPTIONS = {
  objective: '--objective',
  memory: '--memory',
  budget: '--budget',
  affinity: '--affinity',
  threads: '--threads',
  flashAttention: '--flash-attention',
  kv: '--kv',
  batch: '--batch',
  loadMode: '--load-mode',
  embedFlash: '--embed-flash',
  context: '--context',
  settle: '--settle',
  quick: '--quick',
} as const satisfies Partial<Record<keyof TuneCommandOptions, string>>;

/** Adds the options of `sluice tune`. */
export function addTuneOptions(command: Command): Command {
  return command
    .option(
      '--objective <what>',
      'what to make small: ttft[:PROMPT], decode[:PROMPT], e2e:CLASS or e2e:PROMPT/OUTPUT, in tokens (default: e2e:interactive)',
    )
    .option('--memory <size>', 'settings that take more memory than this, e.g. 6GB, are out', parseSize)
    .option(
      '--budget <time>',
      'begin no new measurement after this much time, e.g. 20m; the comparison is kept in',
      parseTime,
    )
    .option('--affinity <list>', 'CPUs to try: all, big, little or like 0-3 and 0-1+4-5', words)
    .option('--threads <list>', 'threads to try, e.g. 4,6', listOf(count))
    .option('--flash-attention <list>', 'on,off', listOf(oneOf(['on', 'off'] as const)))
    .option(
      '--kv <list>',
      'KV cache types to try: f16,q8_0 (keys and values alike) or q8_0/f16 (keys/values)',
      listOf(cachePair),
    )
    .option('--batch <list>', 'batch sizes to try in tokens: 64,256 or 2048/512 (batch/ubatch)', listOf(batchPair))
    .option('--load-mode <list>', 'mmap,none,mlock', listOf(oneOf(['mmap', 'none', 'mlock'] as const)))
    .option(
      '--embed-flash <list>',
      'NPU models, embedding table in storage: on,off',
      listOf(oneOf(['on', 'off'] as const)),
    )
    .option('--context <list>', 'context lengths to try in tokens; only those in force unless given', listOf(count))
    .option('--settle <time>', 'quiet time after a load, e.g. 5s or 0s (default: 5s)', parseSettle)
    .option('--quick', 'fewer repetitions: the comparison has three pairs, not five')
    .option('--dry-run', 'print what would be searched and how long it would take, and measure nothing')
    .option('--apply', 'write the winner into the policy file, comments kept; asks before')
    .option('--yes', 'with --apply: do not ask')
    .option('--resume [run]', 'go on with a run that was broken off (its id or model; default: the newest one)')
    .option('--list', 'list the runs so far')
    .option('--show <run>', 'print the table of a run (id, the end of one, or latest); with --apply write its winner')
    .option('--json', 'print data instead of tables');
}

function listOf<Value>(parse: (word: string) => Value): (text: string) => readonly Value[] {
  return (text) => words(text).map(parse);
}

function words(text: string): readonly string[] {
  const found = text.split(',').map((word) => word.trim());
  if (found.some((word) => word === '')) throw new InvalidArgumentError('expected values separated by commas.');
  return [...new Set(found)];
}

function count(word: string): number {
  const value = Number(word);
  if (/^\d+$/.test(word) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError(`${word} is no whole number from 1 on.`);
}

const oneOf =
  <Word extends string>(known: readonly Word[]) =>
  (word: string): Word => {
    const found = known.find((one) => one === word);
    if (found === undefined) throw new InvalidArgumentError(`${word} is none of ${known.join(', ')}.`);
    return found;
  };

function cachePair(word: string): { readonly k: string; readonly v: string } {
  const [k = '', v = k, ...rest] = word.split('/');
  const types: readonly string[] = CACHE_TYPES;
  if (rest.length === 0 && types.includes(k) && types.includes(v)) return { k, v };
  throw new InvalidArgumentError(`${word}: expected a type or KEYS/VALUES of ${CACHE_TYPES.join(', ')}.`);
}

function batchPair(word: string): { readonly batch: number; readonly ubatch: number } {
  const [batch = '', ubatch = batch, ...rest] = word.split('/');
  const pair = { batch: count(batch), ubatch: count(ubatch) };
  if (rest.length === 0 && pair.ubatch <= pair.batch) return pair;
  throw new InvalidArgumentError(`${word}: expected BATCH or BATCH/UBATCH, the latter not larger.`);
}

function parseSize(text: string): number {
  try {
    return parseSizeBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** What the options leave of each axis. Throws `usage` for CPUs this machine does not have. */
export function narrowedAxes(options: TuneCommandOptions, groups: ReturnType<typeof cpuGroups>): NarrowedAxes {
  const { threads, flashAttention, kv, batch, loadMode, context } = options;
  const affinity = options.affinity?.map((word) => cpusOf(word, groups));
  const embedFlash = options.embedFlash?.map((word) => word === 'on');
  const given = { affinity, threads, flashAttention, kv, batch, loadMode, embedFlash, context };
  return Object.fromEntries(Object.entries(given).filter(([, values]) => values !== undefined));
}

function cpusOf(word: string, groups: ReturnType<typeof cpuGroups>): readonly number[] {
  if (word === 'all') return groups.all;
  if (word === 'big' || word === 'little') {
    const cpus = groups[word];
    if (cpus !== undefined) return cpus;
    throw new GatewayError(
      'usage',
      `--affinity ${word}: the CPUs of this machine have one speed, as far as its kernel tells; give numbers`,
    );
  }
  const cpus = parsedCpus(word);
  const missing = cpus.filter((cpu) => !groups.all.includes(cpu));
  if (missing.length === 0) return cpus;
  throw new GatewayError(
    'usage',
    `--affinity ${word}: this machine has no CPU ${missing[0]}; it has ${groups.all.join(', ')}`,
  );
}

function parsedCpus(word: string): readonly number[] {
  try {
    return parseCpuList(word.replaceAll('+', ','));
  } catch {
    throw new GatewayError('usage', `--affinity ${word}: expected all, big, little, or CPUs like 0-3 or 0-1+4-5`);
  }
}
