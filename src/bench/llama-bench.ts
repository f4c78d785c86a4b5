import { z } from 'zod';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatCpuList } from '../core/format.ts';
import type { RuntimeSettings } from '../core/policy.ts';
import type { RawSamples } from './metrics/metric.ts';

/**
 * llama-bench's language: its command line and its JSON. Pure; measure-raw.ts runs the program.
 *
 * The parameters are those the reference figures were taken with (board facts, section 1), so that the two compare:
 * 256 prompt tokens, 16 generated, batch 2,048, micro-batch 512, no warm-up. What depends on the model comes from its
 * settings: CPUs, threads, layers on a GPU, KV types, flash attention, load mode.
 */
export function llamaBenchCommand(given: {
  readonly program: string;
  /** Path of `taskset`, or undefined where the machine has none: the program's own mask is used then. */
  readonly taskset: string | undefined;
  readonly help: string;
  readonly file: string;
  readonly settings: RuntimeSettings;
  readonly repetitions: number;
  /** Tokens in the context when each test begins. */
  readonly depths: readonly number[];
}): readonly [string, ...string[]] {
  const { settings, help } = given;
  const pinned = settings.cpus !== undefined && settings.cpus.length > 0 ? settings.cpus : undefined;
  const benchmark: readonly string[] = [
    ...['-m', given.file, '-ngl', String(settings.gpuLayers ?? 0)],
    ...(settings.threads === undefined ? [] : ['-t', String(settings.threads)]),
    ...['-p', String(RAW_PROMPT_TOKENS), '-n', String(RAW_OUTPUT_TOKENS), '-r', String(given.repetitions)],
    ...['-b', '2048', '-ub', '512', '-ctk', settings.cacheTypeK ?? 'f16', '-ctv', settings.cacheTypeV ?? 'f16'],
    ...['-fa', flashAttention(settings)],
    ...depthsOf(help, given.depths),
    ...loadMode(help, settings),
    ...['--no-warmup', '-o', 'json'],
  ];
  if (pinned === undefined) return [given.program, ...benchmark];
  if (given.taskset !== undefined) return [given.taskset, '-c', formatCpuList(pinned), given.program, ...benchmark];
  return [given.program, ...benchmark, '-C', cpuMask(pinned), '--cpu-strict', '1'];
}

/** Tokens of the two raw tests. */
export const RAW_PROMPT_TOKENS = 256;
/** See {@link RAW_PROMPT_TOKENS}. */
export const RAW_OUTPUT_TOKENS = 16;

/** `auto` is left out: llama-bench of builds before it existed refuses the word, and 1 is what the reference used. */
const flashAttention = (settings: RuntimeSettings): string => (settings.flashAttention === 'off' ? '0' : '1');

/** Builds renamed `-mmp 1` to `-lm mmap`; the help text says which one this build knows. */
function loadMode(help: string, settings: RuntimeSettings): readonly string[] {
  const mode = settings.loadMode ?? 'mmap';
  if (/^\s*-lm\b/m.test(help)) return ['-lm', mode];
  if (!/^\s*-mmp\b/m.test(help)) return [];
  return ['-mmp', mode === 'none' ? '0' : '1'];
}

/** Not passed for the plain test, and not to builds that do not know it. */
function depthsOf(help: string, depths: readonly number[]): readonly string[] {
  const isPlain = depths.every((depth) => depth === 0);
  return isPlain || !/^\s*-d\b/m.test(help) ? [] : ['-d', depths.join(',')];
}

const cpuMask = (cpus: readonly number[]): string =>
  `0x${cpus.reduce((mask, cpu) => mask | (1n << BigInt(cpu)), 0n).toString(16)}`;

/** One test of llama-bench's JSON; everything else in it differs from build to build and is not looked at. */
const testRow = z.looseObject({
  n_prompt: z.number(),
  n_gen: z.number(),
  n_depth: z.number().default(0),
  samples_ts: z.array(z.number().positive()).min(1),
  build_number: z.number().optional(),
  build_commit: z.string().optional(),
});

/**
 * Rates, one set per depth with the smallest first, and build out of llama-bench's JSON. Throws `runtime_failed` when the
 * text is not what it should be.
 */
export function parseLlamaBench(text: string): {
  readonly samples: readonly RawSamples[];
  readonly build: string | undefined;
} {
  const rows = parseRows(text);
  const depths = [...new Set(rows.map((row) => row.n_depth))].toSorted((a, b) => a - b);
  const samples = depths.flatMap((depth): readonly RawSamples[] => {
    const here = rows.filter((row) => row.n_depth === depth);
    const prefill = here.find((row) => row.n_prompt > 0 && row.n_gen === 0);
    const decode = here.find((row) => row.n_gen > 0 && row.n_prompt === 0);
    if (prefill === undefined || decode === undefined) return [];
    return [
      {
        depth,
        promptTokens: prefill.n_prompt,
        outputTokens: decode.n_gen,
        prefillTokensPerSec: prefill.samples_ts,
        decodeTokensPerSec: decode.samples_ts,
      },
    ];
  });
  const [first] = rows;
  if (samples.length === 0 || first === undefined) {
    throw new GatewayError('runtime_failed', 'llama-bench gave no prompt test or no generation test');
  }
  const { build_number: number, build_commit: commit } = first;
  return { samples, build: number === undefined ? commit : `build ${number}${commit ? ` (${commit})` : ''}` };
}

function parseRows(text: string): readonly z.infer<typeof testRow>[] {
  try {
    return z.array(testRow).parse(JSON.parse(text));
  } catch (error) {
    throw new GatewayError(
      'runtime_failed',
      `llama-bench printed something that is not its JSON (${messageOf(error)}): "${text.slice(0, 200)}"`,
      { cause: error },
    );
  }
}
