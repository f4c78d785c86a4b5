import type { Database } from 'better-sqlite3';
import { GatewayError } from '../core/errors.ts';

/**
 * Numbered migrations, applied in order; `PRAGMA user_version` holds how many ran. A migration that has shipped is
 * never edited: a change is a new one at the end.
 *
 *   requests      one row per request; what is filtered on has a column, the rest is JSON. No index: rows are read from
 *                 the newest back and pruned from the oldest on, and an index would be paid for by every request
 *   decisions     the candidates of a request: large, so they are kept for fewer requests than the rows themselves
 *   observations  the engine's timings of served requests, the last few per model key
 *   bench_runs    the whole document of a benchmark run, as it stands in its JSON file
 *   figures       what those runs say about a model, one row per metric
 *   file_hashes   SHA-256 of model files, so that a 17 GB file is not read again while it stays the same
 *   fingerprints  states of the machine figures were measured in, by their id; facts as JSON
 *   co_runs       how much slower a model is while another device works, from `bench --pairs`
 *   learned       what live traffic has taught, one JSON value per device, class and group of output lengths
 *   bench_open_runs, bench_steps   runs in progress and what they have measured so far, so that they can be gone on with
 *   tune_runs, tune_steps   tuning runs: plan, table as it stands, and every measurement behind it
 *   files, batches, batch_jobs   files of clients (their bytes lie beside the database), batches with their counters, and
 *                 one row per line of a batch: where its text stands, who works on it, its result until the files are written;
 *                 batch_pace says how nights went compared with their plans
 *   client_usage  what each client has used up, one row per day
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE requests (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    client TEXT NOT NULL,
    class TEXT NOT NULL,
    model TEXT,
    outcome TEXT NOT NULL,
    finish_reason TEXT,
    output_tokens INTEGER,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY REFERENCES requests (seq) ON DELETE CASCADE,
    candidates TEXT NOT NULL
  ) STRICT;
  CREATE TABLE observations (
    seq INTEGER PRIMARY KEY,
    model_key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    observation TEXT NOT NULL
  ) STRICT;
  CREATE INDEX observations_by_key ON observations (model_key, seq);
  CREATE TABLE bench_runs (
    id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    provenance TEXT NOT NULL CHECK (provenance IN ('measured', 'imported')),
    document TEXT NOT NULL
  ) STRICT;
  CREATE TABLE figures (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES bench_runs (id) ON DELETE CASCADE,
    model_key TEXT NOT NULL,
    model TEXT NOT NULL,
    metric TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('served', 'raw')),
    value REAL NOT NULL,
    n INTEGER NOT NULL,
    low REAL,
    high REAL,
    source TEXT NOT NULL,
    at TEXT
  ) STRICT;
  CREATE INDEX figures_by_key ON figures (model_key, metric);
  CREATE INDEX figures_by_run ON figures (run_id);
  CREATE TABLE file_hashes (
    path TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    mtime_ms REAL NOT NULL,
    sha256 TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE fingerprints (
    id TEXT PRIMARY KEY,
    facts TEXT NOT NULL
  ) STRICT;
  ALTER TABLE figures ADD COLUMN fingerprint TEXT;
  CREATE TABLE co_runs (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES bench_runs (id) ON DELETE CASCADE,
    model_key TEXT NOT NULL,
    model TEXT NOT NULL,
    with_model TEXT NOT NULL,
    with_device TEXT NOT NULL,
    prefill_factor REAL NOT NULL,
    decode_factor REAL NOT NULL,
    n INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX co_runs_by_key ON co_runs (model_key);
  CREATE TABLE bench_open_runs (
    id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    plan TEXT NOT NULL
  ) STRICT;
  CREATE TABLE bench_steps (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES bench_open_runs (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    step TEXT NOT NULL,
    samples TEXT NOT NULL,
    UNIQUE (run_id, model, step)
  ) STRICT;
  `,
  `
  CREATE TABLE learned (
    key TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE tune_runs (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    started_at TEXT NOT NULL,
    plan TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    run TEXT
  ) STRICT;
  CREATE TABLE tune_steps (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES tune_runs (id) ON DELETE CASCADE,
    step TEXT NOT NULL
  ) STRICT;
  CREATE INDEX tune_steps_by_run ON tune_steps (run_id, seq);
  `,
  `
  CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
  ) STRICT;
  CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL,
    times TEXT NOT NULL,
    faults TEXT NOT NULL DEFAULT '[]',
    output_file TEXT,
    error_file TEXT,
    paused TEXT,
    held INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    lost_ms REAL NOT NULL DEFAULT 0,
    preempted INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE batch_jobs (
    batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    prompt_chars INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    max_tokens INTEGER,
    asked_model TEXT,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed', 'cancelled')),
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    lease TEXT,
    lease_until_ms INTEGER,
    model TEXT,
    partial TEXT,
    result TEXT,
    PRIMARY KEY (batch, line)
  ) STRICT;
  CREATE TABLE batch_pace (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    pace TEXT NOT NULL
  ) STRICT;
  CREATE INDEX batch_jobs_by_state ON batch_jobs (batch, state, line);
  `,
  `
  CREATE TABLE client_usage (
    day TEXT NOT NULL,
    client TEXT NOT NULL,
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, client)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE batch_jobs ADD COLUMN lost_ms REAL NOT NULL DEFAULT 0;
  `,
];

/**
 * Brings a database to the newest schema, all or nothing.
 * Throws `store_failed` where the file was written by a newer Sluice: an older program would misread it.
 */
export function migrate(database: Database, file: string, migrations: readonly string[] = MIGRATIONS): void {
  const run = database.transaction(() => {
    // Read inside the transaction: two programs may open a fresh file at once, and only one may create the tables.
    const version = Number(database.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new GatewayError(
        'store_failed',
        `${file} has schema ${version}, this Sluice knows up to ${migrations.length}: use the newer Sluice, or another --data folder`,
      );
    }
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.pragma(`user_version = ${migrations.length}`);
  });
  run.immediate();
}
