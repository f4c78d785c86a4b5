import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { GatewayError, messageOf } from '../core/errors.ts';
import { normalizedName } from '../core/names.ts';
import { packageRoot } from '../core/package-root.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { ProfileMetric } from '../core/profile.ts';
import type { ProfileRow } from './bench-tables.ts';

/**
 * Published figures: `bench-results/reference/*.json`, taken by other people on boards of this kind. They let a fresh
 * gateway decide before anything has been measured; every figure says `reference` wherever it is shown.
 */
export type ReferenceTable = {
  readonly entries: readonly ReferenceEntry[];
};

/** Figures of one model file as a table gives them; what the table does not say is absent. */
export type ReferenceEntry = {
  /** Normalised name, see `normalizedName`. */
  readonly name: string;
  /** Context the figures were taken with; undefined where they hold for any. */
  readonly context: number | undefined;
  readonly figures: Readonly<Partial<Record<ProfileMetric, number>>>;
  readonly source: string;
  /** The model as the table writes it. */
  readonly model: string;
  readonly device: 'cpu' | 'npu';
  /** The board it was measured on, e.g. `RK3588, 24 GB`, and its memory. */
  readonly board: string;
  readonly boardMemoryBytes: number | undefined;
  /** What those who measured it made of it, in their words. */
  readonly published: string | undefined;
  /** Answers that were looked at for `degenerateAnswers`. */
  readonly answers: number | undefined;
  /** Set for a winner of the tuning sweep, which was taken with another prompt length than the rest. */
  readonly sweep: ReferenceSweep | undefined;
};

/** Settings and outcome of a tuning sweep's winner. */
export type ReferenceSweep = {
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly threads: number;
  readonly cpus: string;
  readonly flashAttention: boolean;
  readonly wallS: number;
};

/**
 * Prompt length the vendor's own table of NPU figures was taken with (seqlen 128). The reference reports a TTFT without
 * the prompt's length; read as a TTFT at 128 tokens it becomes a rate.
 */
export const NPU_PROMPT_TOKENS = 128;
/** Context of an RKLLM file whose name does not say one (board facts, section 2). */
const NPU_CONTEXT_DEFAULT = 4_096;

const cpuRow = z.object({
  model: z.string(),
  prompt_tps: z.number().positive(),
  decode_tps: z.number().positive(),
  peak_rss_mb: z.number().positive().optional(),
  verdict: z.string().optional(),
});
const sweepRow = cpuRow.extend({
  n_prompt: z.number(),
  n_gen: z.number(),
  threads: z.number(),
  cpus: z.string(),
  flash_attn: z.boolean(),
  wall_s: z.number(),
});
const npuRow = z.object({
  model: z.string(),
  context: z.number().nullish(),
  ttft_ms: z.number().positive().optional(),
  decode_tps: z.number().positive(),
  memory_mb: z.number().positive().optional(),
  answers: z.number().positive().optional(),
  answers_usable: z.number().nonnegative().optional(),
  verdict: z.string().optional(),
});
const board = { soc: z.string(), memory_gb: z.number().positive().optional() };
const npuTable = z.object({ ...board, rows: z.array(npuRow) });
const seedFile = z.object({
  provenance: z.literal('reference'),
  cpu: z.object({ ...board, whole_library: z.array(cpuRow), tuning_winners: z.array(sweepRow).default([]) }).optional(),
  npu: npuTable.optional(),
  npu_other_board: npuTable.optional(),
});

/** Where the shipped reference figures lie. */
export const referenceDirectory = (): string => join(packageRoot(), 'bench-results', 'reference');

/**
 * Reads every JSON file of a folder; an absent folder gives an empty table.
 * Throws `invalid_config` naming the file that is not as expected.
 */
export function loadReference(directory: string = referenceDirectory()): ReferenceTable {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')) : [];
  return { entries: names.sort().flatMap((name) => readTable(join(directory, name))) };
}

function readTable(file: string): readonly ReferenceEntry[] {
  try {
    const seed = seedFile.parse(JSON.parse(readFileSync(file, 'utf8')));
    const table = basename(file, '.json');
    const whole = (seed.cpu?.whole_library ?? []).map((row) =>
      cpuEntry(row, onBoard(seed.cpu, `${table}: cpu whole library`)),
    );
    // The winners of the tuning sweep come second: another prompt length, and the same models were measured above.
    const tuned = (seed.cpu?.tuning_winners ?? []).map((row) => ({
      ...cpuEntry(row, onBoard(seed.cpu, `${table}: cpu tuning sweep`)),
      sweep: sweepOf(row),
    }));
    const npu = (seed.npu?.rows ?? []).map((row) => npuEntry(row, onBoard(seed.npu, `${table}: npu`)));
    const other = (seed.npu_other_board?.rows ?? []).map((row) =>
      npuEntry(row, onBoard(seed.npu_other_board, `${table}: npu, another board`)),
    );
    return [...whole, ...tuned, ...npu, ...other];
  } catch (error) {
    throw new GatewayError('invalid_config', `${file} is no table of reference figures: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

type Origin = Pick<ReferenceEntry, 'source' | 'board' | 'boardMemoryBytes'>;

function onBoard(
  table: { readonly soc: string; readonly memory_gb?: number | undefined } | undefined,
  source: string,
): Origin {
  const gigabytes = table?.memory_gb;
  return {
    source,
    board: [table?.soc, gigabytes === undefined ? undefined : `${gigabytes} GB`]
      .filter((part) => part !== undefined)
      .join(', '),
    // Memory is sold in powers of 1,024.
    boardMemoryBytes: gigabytes === undefined ? undefined : gigabytes * 1024 * MEBIBYTE,
  };
}

const sweepOf = (row: z.infer<typeof sweepRow>): ReferenceSweep => ({
  promptTokens: row.n_prompt,
  outputTokens: row.n_gen,
  threads: row.threads,
  cpus: row.cpus,
  flashAttention: row.flash_attn,
  wallS: row.wall_s,
});

function cpuEntry(row: z.infer<typeof cpuRow>, origin: Origin): ReferenceEntry {
  return {
    ...origin,
    ...{ model: row.model, device: 'cpu', published: row.verdict, answers: undefined, sweep: undefined },
    name: normalizedName(row.model),
    context: undefined,
    figures: {
      prefillTokensPerSec: row.prompt_tps,
      decodeTokensPerSec: row.decode_tps,
      ...(row.peak_rss_mb === undefined ? {} : { peakMemoryBytes: row.peak_rss_mb * MEBIBYTE }),
    },
  };
}

// The tables say MB and mean what /proc counts in: 1,024 · 1,024 bytes.
const MEBIBYTE = 1024 * 1024;

function npuEntry(row: z.infer<typeof npuRow>, origin: Origin): ReferenceEntry {
  const rate = row.ttft_ms === undefined ? undefined : (NPU_PROMPT_TOKENS * 1000) / row.ttft_ms;
  const assumed =
    rate === undefined ? '' : `, prefill from TTFT ${row.ttft_ms} ms read as ${NPU_PROMPT_TOKENS} prompt tokens`;
  const { answers, answers_usable: usable } = row;
  return {
    ...origin,
    ...{ model: row.model, device: 'npu', published: row.verdict, answers, sweep: undefined },
    name: normalizedName(row.model),
    context: row.context ?? undefined,
    figures: {
      decodeTokensPerSec: row.decode_tps,
      ...(rate === undefined ? {} : { prefillTokensPerSec: rate }),
      ...(row.memory_mb === undefined ? {} : { peakMemoryBytes: row.memory_mb * MEBIBYTE }),
      ...(answers === undefined || usable === undefined ? {} : { degenerateAnswers: 1 - usable / answers }),
    },
    source: `${origin.source}${row.context == null ? '' : ` at context ${row.context}`}${assumed}`,
  };
}

/**
 * Reference figures of a policy's model, matched by the name of its file; for RKLLM files also by context (baked into
 * the file): the nearest table row whose context is not smaller, else the largest. Empty when no table knows the file.
 */
export function referenceRows(
  model: Pick<ModelPolicy, 'file' | 'settings'>,
  table: ReferenceTable,
): readonly ProfileRow[] {
  const name = fileModelName(model.file);
  const known = table.entries.filter((entry) => entry.name === name);
  const entry = nearestContext(known, model.settings.context ?? contextFromName(model.file) ?? NPU_CONTEXT_DEFAULT);
  if (entry === undefined) return [];
  return entryRows(entry);
}

/** A table row's figures, each marked `reference`. */
export function entryRows({ figures, answers, source }: ReferenceEntry): readonly ProfileRow[] {
  return Object.entries(figures).map(([metric, value]) => ({
    metric: metric as ProfileMetric,
    figure: { value, provenance: 'reference', n: metric === 'degenerateAnswers' ? (answers ?? 0) : 0, source },
  }));
}

/** What an RKLLM build adds to a name: optimisation, hybrid ratio, cores, context, platform. */
const BUILD_SUFFIX = /[-_](?:opt-?\d+|hybrid[\d.]*|npu\d|ctx\d+|rk3\d{3}\w?)(?=[-_.]|$)/g;

/** Name that a model's file goes by in the tables. */
export const fileModelName = (file: string): string => normalizedName(file).replaceAll(BUILD_SUFFIX, '');

/** Context length written in a file's name, e.g. `…-ctx16384-…` → 16384; undefined when there is none. */
export function contextFromName(file: string): number | undefined {
  const match = /[-_]ctx(\d+)(?=[-_.]|$)/.exec(normalizedName(file));
  return match === null ? undefined : Number(match[1]);
}

function nearestContext(entries: readonly ReferenceEntry[], context: number): ReferenceEntry | undefined {
  const first = entries[0];
  if (first === undefined || first.context === undefined) return first;
  const ascending = entries.toSorted((a, b) => (a.context ?? 0) - (b.context ?? 0));
  return ascending.find((entry) => (entry.context ?? 0) >= context) ?? ascending.at(-1);
}
