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
});
const npuRow = z.object({
  model: z.string(),
  context: z.number().nullish(),
  ttft_ms: z.number().positive().optional(),
  decode_tps: z.number().positive(),
  memory_mb: z.number().positive().optional(),
});
const npuTable = z.object({ soc: z.string(), rows: z.array(npuRow) });
const seedFile = z.object({
  provenance: z.literal('reference'),
  cpu: z
    .object({ soc: z.string(), whole_library: z.array(cpuRow), tuning_winners: z.array(cpuRow).default([]) })
    .optional(),
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
    const whole = (seed.cpu?.whole_library ?? []).map((row) => cpuEntry(row, `${table}: cpu whole library`));
    // The winners of the tuning sweep come second: another prompt length, and the same models were measured above.
    const tuned = (seed.cpu?.tuning_winners ?? []).map((row) => cpuEntry(row, `${table}: cpu tuning sweep`));
    const npu = (seed.npu?.rows ?? []).map((row) => npuEntry(row, `${table}: npu`));
    const other = (seed.npu_other_board?.rows ?? []).map((row) => npuEntry(row, `${table}: npu, another board`));
    return [...whole, ...tuned, ...npu, ...other];
  } catch (error) {
    throw new GatewayError('invalid_config', `${file} is no table of reference figures: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function cpuEntry(row: z.infer<typeof cpuRow>, source: string): ReferenceEntry {
  return {
    name: normalizedName(row.model),
    context: undefined,
    figures: {
      prefillTokensPerSec: row.prompt_tps,
      decodeTokensPerSec: row.decode_tps,
      ...(row.peak_rss_mb === undefined ? {} : { peakMemoryBytes: row.peak_rss_mb * MEBIBYTE }),
    },
    source,
  };
}

// The tables say MB and mean what /proc counts in: 1,024 · 1,024 bytes.
const MEBIBYTE = 1024 * 1024;

function npuEntry(row: z.infer<typeof npuRow>, table: string): ReferenceEntry {
  const rate = row.ttft_ms === undefined ? undefined : (NPU_PROMPT_TOKENS * 1000) / row.ttft_ms;
  const assumed =
    rate === undefined ? '' : `, prefill from TTFT ${row.ttft_ms} ms read as ${NPU_PROMPT_TOKENS} prompt tokens`;
  return {
    name: normalizedName(row.model),
    context: row.context ?? undefined,
    figures: {
      decodeTokensPerSec: row.decode_tps,
      ...(rate === undefined ? {} : { prefillTokensPerSec: rate }),
      ...(row.memory_mb === undefined ? {} : { peakMemoryBytes: row.memory_mb * MEBIBYTE }),
    },
    source: `${table}${row.context == null ? '' : ` at context ${row.context}`}${assumed}`,
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
  return Object.entries(entry.figures).map(([metric, value]) => ({
    metric: metric as ProfileMetric,
    figure: { value, provenance: 'reference', n: 0, source: entry.source },
  }));
}

/** What an RKLLM build adds to a name: optimisation, hybrid ratio, cores, context, platform. */
const BUILD_SUFFIX = /[-_](?:opt-?\d+|hybrid[\d.]*|npu\d|ctx\d+|rk3\d{3}\w?)(?=[-_.]|$)/g;

const fileModelName = (file: string): string => normalizedName(file).replaceAll(BUILD_SUFFIX, '');

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
