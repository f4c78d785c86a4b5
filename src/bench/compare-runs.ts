import { existsSync } from 'node:fs';
import { GatewayError } from '../core/errors.ts';
import type { Store } from '../store/open-store.ts';
import { isPerplexityRun } from './import-perplexity.ts';
import type { Series } from './metrics/metric.ts';
import { parseResult, readResultFile } from './read-result.ts';
import type { BenchDocument, BenchModelResult } from './result.ts';
import { factDifferences } from './row-fingerprint.ts';

/** What two runs say of one model, side by side. */
export type ModelComparison = {
  readonly model: string;
  /** True where nothing that changes speeds differs and both sides have samples enough. */
  readonly comparable: boolean;
  /** What differs and changes speeds, e.g. `kernel: 6.1.75 in A, 6.1.99 in B`. */
  readonly differences: readonly string[];
  /** What differs and changes none, and what makes figures weak. */
  readonly notes: readonly string[];
  readonly metrics: readonly MetricComparison[];
};

/** One metric in both runs. `change` is (B − A) / A; `apart` is true where the two intervals do not touch. */
export type MetricComparison = {
  readonly metric: string;
  readonly promptTokens: number | undefined;
  readonly unit: string;
  readonly a: number;
  readonly b: number;
  readonly change: number;
  readonly apart: boolean;
};

/** Two runs side by side; `comparable` is true where every model both measured is. */
export type RunComparison = {
  readonly a: string;
  readonly b: string;
  readonly comparable: boolean;
  readonly models: readonly ModelComparison[];
  /** Models only one of the runs measured. */
  readonly onlyIn: { readonly a: readonly string[]; readonly b: readonly string[] };
};

/**
 * The run a word stands for: a result file, `latest`, a run's id or the end of one. Throws `usage` naming the runs there
 * are, `invalid_config` for a file that is no result.
 */
export function findRun(word: string, store: Pick<Store, 'benchRuns'>): BenchDocument {
  if (existsSync(word)) return readResultFile(word);
  const runs = store.benchRuns();
  const run =
    word === 'latest'
      ? runs.find(({ id }) => !isPerplexityRun(id))
      : runs.find(({ id }) => id === word || id.endsWith(`-${word}`));
  if (run !== undefined) return parseResult(run.document, `run ${run.id}`);
  const known = runs.slice(0, 5).map(({ id }) => id);
  throw new GatewayError(
    'usage',
    `no result file and no run is called "${word}"; the newest runs are: ${known.join(', ') || 'none yet'}`,
  );
}

/** Says of two runs whether their figures may be compared, what differs between them, and how the figures differ. */
export function compareRuns(a: BenchDocument, b: BenchDocument): RunComparison {
  const measured = (document: BenchDocument) => document.models.filter(({ series }) => series.length > 0);
  const [inA, inB] = [measured(a), measured(b)];
  const models = inA.flatMap((one) => {
    const other = inB.find(({ model }) => model === one.model);
    return other === undefined ? [] : compareModels(one, other);
  });
  const missing = (from: readonly BenchModelResult[], others: readonly BenchModelResult[]) =>
    from.flatMap(({ model }) => (others.some((other) => other.model === model) ? [] : model));
  return {
    a: a.id,
    b: b.id,
    comparable: models.length > 0 && models.every(({ comparable }) => comparable),
    models,
    onlyIn: { a: missing(inA, inB), b: missing(inB, inA) },
  };
}

const SIDES = ['in A', 'in B'] as const;

function compareModels(a: BenchModelResult, b: BenchModelResult): ModelComparison {
  const unknown = [a, b].flatMap(({ fingerprint }, index) =>
    fingerprint === undefined ? `the state of the machine was not kept ${SIDES[index]}` : [],
  );
  const differences = [...factDifferences(a.fingerprint?.facts ?? {}, b.fingerprint?.facts ?? {}, SIDES), ...unknown];
  const notes = [
    ...factDifferences(a.fingerprint?.notes ?? {}, b.fingerprint?.notes ?? {}, SIDES),
    ...[a, b].flatMap((result, index) => weaknesses(result).map((text) => `${text} ${SIDES[index]}`)),
  ];
  const metrics = a.series.flatMap((one) => {
    const other = b.series.find((candidate) => isSameSeries(one, candidate));
    return other === undefined ? [] : compareSeries(one, other);
  });
  return { model: a.model, comparable: differences.length === 0, differences, notes, metrics };
}

function weaknesses({ outcome, series, samples }: BenchModelResult): readonly string[] {
  const disturbed = samples?.filter(({ flags }) => flags.length > 0).length ?? 0;
  return [
    ...(outcome === 'measured' ? [] : [`the run ended as ${outcome}`]),
    ...(series.some(({ provisional }) => provisional) ? ['figures are provisional'] : []),
    ...(disturbed > 0 ? [`${disturbed} samples were disturbed`] : []),
  ];
}

/** Prompt lengths of two runs differ by a token or two, because prompts do. */
const LENGTH_TOLERANCE = 0.1;

function isSameSeries(a: Series, b: Series): boolean {
  if (a.metric !== b.metric || a.side !== b.side) return false;
  const [x, y] = [a.promptTokens ?? 0, b.promptTokens ?? 0];
  return Math.abs(x - y) <= LENGTH_TOLERANCE * Math.max(x, y);
}

function compareSeries(a: Series, b: Series): readonly MetricComparison[] {
  const apart = (a.low ?? a.value) > (b.high ?? b.value) || (b.low ?? b.value) > (a.high ?? a.value);
  const change = a.value === 0 ? (b.value === 0 ? 0 : Number.POSITIVE_INFINITY) : (b.value - a.value) / a.value;
  const { metric, promptTokens, unit } = a;
  return [{ metric, promptTokens, unit, a: a.value, b: b.value, change, apart }];
}
