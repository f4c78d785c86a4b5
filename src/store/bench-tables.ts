import type { Database } from 'better-sqlite3';
import type { ModelId } from '../core/ids.ts';
import type { Figure, ProfileMetric } from '../core/profile.ts';
import { type BenchJournalTable, durably, openBenchJournalTable } from './bench-journal-table.ts';

/** A benchmark run as it is stored: the document is the text of its JSON file. */
export type BenchRunRow = {
  readonly id: string;
  readonly startedAt: string;
  /** `measured` on this machine, or `imported` from another one. */
  readonly provenance: 'measured' | 'imported';
  readonly document: string;
};

/** One figure a run gives for one model. `raw` (llama-bench) counts only where nothing `served` is known. */
export type FigureRow = {
  readonly modelKey: string;
  readonly model: ModelId;
  readonly metric: ProfileMetric;
  readonly side: 'served' | 'raw';
  readonly value: number;
  readonly n: number;
  readonly low?: number;
  readonly high?: number;
  readonly source: string;
  readonly at?: string;
  /** Id of the state of the machine it was measured in, see {@link Fingerprint}. */
  readonly fingerprint?: string;
};

/** State of a machine and a model's build in which figures were measured: names and values, and a digest of them. */
export type Fingerprint = { readonly id: string; readonly facts: Readonly<Record<string, string>> };

/** Slowdown of one model while another one, on `withDevice`, generates: multiply its times by the factors. */
export type CoRunRow = {
  readonly modelKey: string;
  readonly model: ModelId;
  readonly withModel: ModelId;
  readonly withDevice: string;
  readonly prefillFactor: number;
  readonly decodeFactor: number;
  readonly n: number;
};

/** What a run says, ready for the tables. */
export type BenchRows = {
  readonly figures: readonly FigureRow[];
  readonly fingerprints?: readonly Fingerprint[];
  readonly coRuns?: readonly CoRunRow[];
};

/** One figure with the metric it is of, ready for `resolveProfile`. */
export type ProfileRow = { readonly metric: ProfileMetric; readonly figure: Figure };

/** The part of the store that holds benchmark runs. */
export interface BenchTables extends BenchJournalTable {
  /**
   * Stores a run with its figures in one transaction that is on the disk when this returns; the same id again
   * replaces the earlier state, so a run can be saved after every model.
   */
  saveBenchRun(run: BenchRunRow, rows: BenchRows): void;
  /** Newest first. */
  benchRuns(limit?: number): readonly BenchRunRow[];
  /** All figures of one model key, `raw` ones only for metrics no served run gave. */
  profileRows(modelKey: string): readonly ProfileRow[];
  /** Newest measured figures of the same file under other settings, one per metric. */
  siblingRows(modelKey: string): readonly ProfileRow[];
  /** Facts of a fingerprint by its id, or undefined. */
  fingerprint(id: string): Fingerprint | undefined;
  /** What running beside other devices costs a model, of the newest measured run that looked at each pair. */
  coRuns(modelKey: string): readonly CoRunRow[];
  /** Known SHA-256 of a file that has not changed since, or undefined. */
  fileHash(file: FileState): string | undefined;
  saveFileHash(file: FileState, sha256: string): void;
}

/** What tells that a file is still the same one without reading it. */
export type FileState = { readonly path: string; readonly sizeBytes: number; readonly mtimeMs: number };

type StoredFigure = {
  readonly metric: ProfileMetric;
  readonly provenance: 'measured' | 'imported';
  readonly value: number;
  readonly n: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly source: string;
  readonly at: string | null;
  readonly fingerprint: string | null;
};

/** The bench_runs, figures and file_hashes tables. All functions work at once and throw SQLite's own errors. */
export function openBenchTables(database: Database): BenchTables {
  const deleteRun = database.prepare('DELETE FROM bench_runs WHERE id = ?');
  const insertRun = database.prepare(
    'INSERT INTO bench_runs (id, started_at, provenance, document) VALUES (@id, @startedAt, @provenance, @document)',
  );
  const insertFigure = database.prepare(`
    INSERT INTO figures (run_id, model_key, model, metric, side, value, n, low, high, source, at, fingerprint)
    VALUES (@runId, @modelKey, @model, @metric, @side, @value, @n, @low, @high, @source, @at, @fingerprint)`);
  const selectRuns = database.prepare<unknown[], BenchRunRow>(`
    SELECT id, started_at AS startedAt, provenance, document FROM bench_runs ORDER BY started_at DESC, id DESC LIMIT ?`);
  const selectFigures = database.prepare<unknown[], StoredFigure>(`
    SELECT metric, provenance, value, n, low, high, source, at, fingerprint FROM figures JOIN bench_runs ON id = run_id
    WHERE model_key = @modelKey AND (side = 'served' OR NOT EXISTS (
      SELECT 1 FROM figures AS better JOIN bench_runs AS run ON run.id = better.run_id
      WHERE better.model_key = @modelKey AND better.metric = figures.metric AND better.side = 'served'
        AND run.provenance = bench_runs.provenance))
    ORDER BY seq`);
  // Bare columns beside max() are of the row that holds it: the newest figure of each metric.
  const selectSiblings = database.prepare<unknown[], StoredFigure & { readonly newest: number }>(`
    SELECT metric, provenance, value, n, low, high, source, at, fingerprint, max(seq) AS newest
    FROM figures JOIN bench_runs ON id = run_id
    WHERE model_key GLOB @file || '*' AND model_key <> @modelKey AND provenance = 'measured' AND side = 'served'
    GROUP BY metric`);
  const selectHash = database.prepare<unknown[], { sha256: string }>(
    'SELECT sha256 FROM file_hashes WHERE path = @path AND size_bytes = @sizeBytes AND mtime_ms = @mtimeMs',
  );
  const upsertHash = database.prepare(`
    INSERT INTO file_hashes (path, size_bytes, mtime_ms, sha256) VALUES (@path, @sizeBytes, @mtimeMs, @sha256)
    ON CONFLICT (path) DO UPDATE SET size_bytes = @sizeBytes, mtime_ms = @mtimeMs, sha256 = @sha256`);

  const upsertFingerprint = database.prepare(
    'INSERT INTO fingerprints (id, facts) VALUES (@id, @facts) ON CONFLICT (id) DO NOTHING',
  );
  const selectFingerprint = database.prepare<unknown[], { readonly id: string; readonly facts: string }>(
    'SELECT id, facts FROM fingerprints WHERE id = ?',
  );
  const insertCoRun = database.prepare(`
    INSERT INTO co_runs (run_id, model_key, model, with_model, with_device, prefill_factor, decode_factor, n)
    VALUES (@runId, @modelKey, @model, @withModel, @withDevice, @prefillFactor, @decodeFactor, @n)`);
  // Bare columns beside max() are of the row that holds it: the newest run of each pair.
  const selectCoRuns = database.prepare<unknown[], CoRunRow & { readonly newest: string }>(`
    SELECT model_key AS modelKey, model, with_model AS withModel, with_device AS withDevice,
      prefill_factor AS prefillFactor, decode_factor AS decodeFactor, n, max(started_at || id) AS newest
    FROM co_runs JOIN bench_runs ON id = run_id
    WHERE model_key = ? AND provenance = 'measured' GROUP BY with_model, with_device`);

  const writeRun = database.transaction((run: BenchRunRow, rows: BenchRows) => {
    deleteRun.run(run.id);
    insertRun.run(run);
    for (const { id, facts } of rows.fingerprints ?? []) upsertFingerprint.run({ id, facts: JSON.stringify(facts) });
    for (const figure of rows.figures) {
      const { low = null, high = null, at = null, fingerprint = null } = figure;
      insertFigure.run({ ...figure, low, high, at, fingerprint, runId: run.id });
    }
    for (const coRun of rows.coRuns ?? []) insertCoRun.run({ ...coRun, runId: run.id });
  });

  return {
    ...openBenchJournalTable(database),
    saveBenchRun: (run, rows) => durably(database, () => writeRun.immediate(run, rows)),
    benchRuns: (limit = 1_000) => selectRuns.all(limit),
    profileRows: (modelKey) => selectFigures.all({ modelKey }).map(toProfileRow),
    siblingRows: (modelKey) => {
      const file = modelKey.slice(0, modelKey.indexOf('-') + 1);
      return selectSiblings.all({ modelKey, file }).map(toProfileRow);
    },
    fingerprint: (id) => {
      const row = selectFingerprint.get(id);
      return row === undefined ? undefined : { id: row.id, facts: JSON.parse(row.facts) as Fingerprint['facts'] };
    },
    coRuns: (modelKey) => selectCoRuns.all(modelKey).map(({ newest: _, ...row }) => row),
    fileHash: (file) => selectHash.get({ ...file })?.sha256,
    saveFileHash: (file, sha256) => {
      upsertHash.run({ ...file, sha256 });
    },
  };
}

const toProfileRow = (row: StoredFigure): ProfileRow => ({
  metric: row.metric,
  figure: {
    value: row.value,
    provenance: row.provenance,
    n: row.n,
    source: row.source,
    ...(row.low === null ? {} : { low: row.low }),
    ...(row.high === null ? {} : { high: row.high }),
    ...(row.at === null ? {} : { at: row.at }),
    ...(row.fingerprint === null ? {} : { fingerprint: row.fingerprint }),
  },
});
