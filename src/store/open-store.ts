import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import DatabaseFile, { type Database } from 'better-sqlite3';
import type { JobQueue } from '../core/batch.ts';
import type { ModelClass } from '../core/classes.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { EmitEvent, RequestRecord } from '../core/events.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { UsageRow } from '../core/usage.ts';
import type { LearnedRow, LearnedState } from '../learn/learned-state.ts';
import { type BatchTable, openBatchTable } from './batch-table.ts';
import { type BenchRows, type BenchRunRow, type BenchTables, openBenchTables } from './bench-tables.ts';
import { openJobQueue } from './job-queue.ts';
import { openLearnedTable, type WaitingRow } from './learned-table.ts';
import { migrate } from './migrations.ts';
import { OBSERVATIONS_KEPT, type Observation, openObservationTable } from './observation-table.ts';
import { openRequestTable, type WaitingRequest } from './request-table.ts';
import { openTuneTable, type TuneTable } from './tune-table.ts';
import { openUsageTable } from './usage-table.ts';
import { createWriteBuffer } from './write-buffer.ts';

/**
 * Everything Sluice remembers, in one SQLite file. `record…` never touches the disk and never throws: rows wait in
 * memory (see write-buffer.ts). What a command asks for (`saveBenchRun`, reads) works at once and may throw
 * `disk_full` or `store_failed`.
 */
export interface Store extends BenchTables, TuneTable {
  readonly file: string;
  /** Remembers a finished request. */
  recordRequest(record: RequestRecord): void;
  /** True where the decision on a request that comes now would be kept with it: above ten per second it is not. */
  keepsDecision(): boolean;
  /** Newest first, those not yet on disk included. */
  recentRequests(limit: number, filter?: RequestFilter): readonly RequestRecord[];
  /** Remembers the engine's timings of one run. */
  recordObservation(modelKey: string, observation: Observation): void;
  /** Oldest first, the newest `limit` of them, from disk only. */
  observations(modelKey: string, limit: number): readonly Observation[];
  /** Remembers what live traffic has taught, each row in place of the one with its key. */
  recordLearned(rows: readonly LearnedRow[]): void;
  /** What was learned until the last flush. */
  learnedState(): LearnedState;
  /** Remembers what clients have used up, each row in place of the one of its day and client. */
  recordUsage(rows: readonly UsageRow[]): void;
  /** From the day named on (`2026-11-21`), newest day first, from disk only. */
  usageSince(day: string): readonly UsageRow[];
  /** Batches and the files of clients. */
  readonly batches: BatchTable;
  /** The jobs of batches. */
  readonly jobs: JobQueue;
  /** Changes whenever another process has written to the file, or a benchmark run was saved by this one. */
  dataVersion(): number;
  /** Writes what waits. False where the disk refused it. */
  flush(): boolean;
  close(): void;
}

/** All conditions given must hold. */
export type RequestFilter = {
  readonly requestId?: RequestId;
  readonly model?: ModelId;
  readonly class?: ModelClass;
  readonly client?: string;
  readonly outcome?: RequestRecord['outcome']['kind'];
};

/** What a store needs from outside. */
export type StoreDeps = {
  readonly clock: Clock;
  readonly emit?: EmitEvent;
  /** Most pages (4 KiB each) the file may grow to; beyond, it behaves as on a full disk. Undefined = no bound. */
  readonly pagesMax?: number;
};

type Row =
  | { readonly kind: 'request'; readonly request: WaitingRequest }
  | { readonly kind: 'observations'; readonly modelKey: string; readonly observations: Observation[] }
  | { readonly kind: 'usage'; readonly rows: readonly UsageRow[] }
  | { readonly kind: 'learned'; readonly rows: readonly WaitingRow[] };

/** Rows written between two rounds of pruning. */
const PRUNE_EVERY_ROWS = 1_000;

/**
 * Opens (or makes) the database; `:memory:` is allowed. Two processes may have it open at once: WAL lets a reader and
 * a writer work side by side.
 * Throws `store_failed` for a file that is no database, is damaged, or was written by a newer Sluice.
 */
export function openStore(file: string, deps: StoreDeps): Store {
  const database = openDatabase(file, deps.pagesMax);
  const requests = openRequestTable(database, deps.clock);
  const bench = openBenchTables(database);
  const observations = openObservationTable(database);
  const learned = openLearnedTable(database);
  const usage = openUsageTable(database);
  const windows = new Map<string, Observation[]>();
  // SQLite's own version tells of other processes only; both only grow, so their sum changes whenever one of them does.
  let ownRuns = 0;
  let writtenSincePrune = PRUNE_EVERY_ROWS;

  const writeRows = database.transaction((rows: readonly Row[]) => {
    for (const row of rows) {
      if (row.kind === 'request') requests.insert(row.request);
      else if (row.kind === 'learned') row.rows.forEach(learned.upsert);
      else if (row.kind === 'usage') row.rows.forEach(usage.upsert);
      else for (const observation of row.observations) observations.insert(row.modelKey, observation);
    }
    writtenSincePrune += rows.length;
    if (writtenSincePrune < PRUNE_EVERY_ROWS) return;
    requests.prune();
    observations.prune();
    usage.prune();
    writtenSincePrune = 0;
  });
  const buffer = createWriteBuffer<Row>({
    clock: deps.clock,
    emit: deps.emit ?? (() => {}),
    file,
    write: (rows) => writeRows(rows),
    left: (rows) => {
      for (const row of rows) if (row.kind === 'observations') windows.delete(row.modelKey);
    },
  });

  // Only the newest observations of a key are ever read, so those that wait are kept in one row per key: a load test
  // then costs a window per flush instead of a row per request.
  const recordObservation = (modelKey: string, observation: Observation) => {
    const waiting = windows.get(modelKey);
    if (waiting === undefined) {
      const observations = [observation];
      windows.set(modelKey, observations);
      buffer.add({ kind: 'observations', modelKey, observations });
      return;
    }
    waiting.push(observation);
    if (waiting.length > OBSERVATIONS_KEPT) waiting.shift();
  };

  return {
    file,
    ...guarded(file, {
      ...bench,
      saveBenchRun: (run: BenchRunRow, rows: BenchRows) => {
        bench.saveBenchRun(run, rows);
        ownRuns += 1;
      },
      ...openTuneTable(database),
    }),
    ...guarded(file, {
      recentRequests: (limit: number, filter: RequestFilter = {}) => {
        const waiting = buffer.pending().flatMap((row) => (row.kind === 'request' ? [row.request] : []));
        const fitting = waiting.map(requests.decode).filter((record) => matches(record, filter));
        const newest = fitting.slice(-limit).reverse();
        return [...newest, ...requests.newest(limit - newest.length, filter)];
      },
      observations: observations.newest,
      learnedState: learned.state,
      usageSince: usage.since,
      dataVersion: () => Number(database.pragma('data_version', { simple: true })) + ownRuns,
    }),
    batches: guarded(file, openBatchTable(database)),
    jobs: openJobQueue(database, deps.clock, (call) => guarded(file, { call }).call()),
    recordUsage: (rows) => buffer.add({ kind: 'usage', rows }),
    recordLearned: (rows) =>
      buffer.add({ kind: 'learned', rows: rows.map(({ key, value }) => ({ key, json: JSON.stringify(value) })) }),
    keepsDecision: requests.keepsDecision,
    recordRequest: (record) => buffer.add({ kind: 'request', request: requests.encode(record) }),
    recordObservation,
    flush: () => buffer.flush(),
    close: () => {
      buffer.close();
      database.close();
    },
  };
}

const matches = (record: RequestRecord, filter: RequestFilter): boolean =>
  (filter.requestId === undefined || record.requestId === filter.requestId) &&
  (filter.model === undefined || record.model === filter.model) &&
  (filter.class === undefined || record.class === filter.class) &&
  (filter.client === undefined || record.client === filter.client) &&
  (filter.outcome === undefined || record.outcome.kind === filter.outcome);

function openDatabase(file: string, pagesMax: number | undefined): Database {
  let database: Database | undefined;
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
    database = new DatabaseFile(file);
    // Short: a writer on the other side must not make this side, which passes on tokens, wait. A row that meets a lock
    // is written on the next round.
    database.pragma('busy_timeout = 250');
    database.pragma('journal_mode = WAL');
    // NORMAL survives a killed process; only a power cut may lose the last transactions. Benchmark runs ask for more.
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    // 16 MB of log before it is copied into the file, which waits for the disk: rarer, and no longer each time.
    database.pragma('wal_autocheckpoint = 4000');
    // 2 MB of pages; the package's default is 16. What is asked for again is in the system's page cache anyway.
    database.pragma('cache_size = -2000');
    migrate(database, file);
    if (pagesMax !== undefined) database.pragma(`max_page_count = ${pagesMax}`);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(file, error);
  }
}

function guarded<Functions extends object>(file: string, functions: Functions): Functions {
  const wrapped = Object.entries(functions).map(([name, call]: [string, (...given: unknown[]) => unknown]) => [
    name,
    (...given: unknown[]) => {
      try {
        return call(...given);
      } catch (error) {
        throw storeError(file, error);
      }
    },
  ]);
  return Object.fromEntries(wrapped);
}

/** What went wrong with the database, as an error that names the file and says what to do. */
function storeError(file: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = error instanceof DatabaseFile.SqliteError ? error.code : '';
  if (code === 'SQLITE_FULL') {
    return new GatewayError('disk_full', `${file} cannot grow, the disk is full: free some space and try again`, {
      cause: error,
    });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new GatewayError(
      'store_failed',
      `${file} is damaged or no Sluice database (${messageOf(error)}): move it away; a new one is made at the next start, and bench --import brings benchmark runs back from their JSON files`,
      { cause: error },
    );
  }
  return new GatewayError('store_failed', `${file} cannot be used: ${messageOf(error)}`, { cause: error });
}
