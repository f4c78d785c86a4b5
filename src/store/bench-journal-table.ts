import type { Database } from 'better-sqlite3';

/** A run that has begun and not ended; `plan` is what the benchmark needs to go on with it, as JSON. */
export type OpenBenchRun = { readonly id: string; readonly startedAt: string; readonly plan: string };

/** What one step of a run gave; `samples` is a JSON list. */
export type BenchStep = { readonly model: string; readonly step: string; readonly samples: string };

/** Runs in progress. Each call is on the disk when it returns. */
export interface BenchJournalTable {
  /** Remembers a run as begun; one that is known stays as it is. */
  openBenchRun(run: OpenBenchRun): void;
  /** Newest first. */
  openBenchRuns(): readonly OpenBenchRun[];
  addBenchStep(runId: string, step: BenchStep): void;
  /** In the order they were added. */
  benchSteps(runId: string): readonly BenchStep[];
  /** Forgets a run that has ended, with its steps: its document holds them. */
  closeBenchRun(runId: string): void;
}

/** The bench_open_runs and bench_steps tables. All functions throw SQLite's own errors. */
export function openBenchJournalTable(database: Database): BenchJournalTable {
  const insertRun = database.prepare(
    'INSERT INTO bench_open_runs (id, started_at, plan) VALUES (@id, @startedAt, @plan) ON CONFLICT (id) DO NOTHING',
  );
  const selectRuns = database.prepare<unknown[], OpenBenchRun>(
    'SELECT id, started_at AS startedAt, plan FROM bench_open_runs ORDER BY started_at DESC, id DESC',
  );
  const deleteRun = database.prepare('DELETE FROM bench_open_runs WHERE id = ?');
  const insertStep = database.prepare(`
    INSERT INTO bench_steps (run_id, model, step, samples) VALUES (@runId, @model, @step, @samples)
    ON CONFLICT (run_id, model, step) DO UPDATE SET samples = @samples`);
  const selectSteps = database.prepare<unknown[], BenchStep>(
    'SELECT model, step, samples FROM bench_steps WHERE run_id = ? ORDER BY seq',
  );
  return {
    openBenchRun: (run) => durably(database, () => insertRun.run({ ...run })),
    openBenchRuns: () => selectRuns.all(),
    addBenchStep: (runId, step) => durably(database, () => insertStep.run({ ...step, runId })),
    benchSteps: (runId) => selectSteps.all(runId),
    closeBenchRun: (runId) => durably(database, () => deleteRun.run(runId)),
  };
}

/**
 * Writes so that it survives a power cut, and waits for another writer: measuring takes minutes to hours, so it is worth
 * the disk's milliseconds.
 */
export function durably(database: Database, write: () => unknown): void {
  database.pragma('busy_timeout = 10000');
  database.pragma('synchronous = FULL');
  try {
    write();
  } finally {
    database.pragma('synchronous = NORMAL');
    database.pragma('busy_timeout = 250');
  }
}
