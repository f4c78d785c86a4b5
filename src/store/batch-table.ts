import type { Database } from 'better-sqlite3';
import { type Batch, type BatchRequest, type BatchStatus, isEnded } from '../core/batch.ts';
import { durably } from './bench-journal-table.ts';

/** What of a batch is changed together, in one transaction that is on the disk when the call returns. */
export type BatchChange = Partial<Pick<Batch, 'status' | 'times' | 'faults' | 'outputFile' | 'errorFile' | 'paused'>>;

/** A page of a listing: `after` is the id of the last one seen. */
export type Page = { readonly after?: string; readonly limit: number; readonly order?: 'asc' | 'desc' };

/** A stored file; its bytes are beside the database. */
export type StoredFile = {
  readonly id: string;
  readonly client: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly createdMs: number;
  /** Undefined = it stays until somebody deletes it. */
  readonly expiresMs: number | undefined;
};

/** The part of the store that holds batches and the rows of files. Jobs are the queue's (`job-queue.ts`). */
export interface BatchTable {
  addBatch(batch: Pick<Batch, 'id' | 'client' | 'request' | 'status' | 'times'>): void;
  batch(id: string): Batch | undefined;
  /** Newest first unless asked otherwise; one client's, or everybody's where undefined. */
  batches(client: string | undefined, page: Page): readonly Batch[];
  /** Those that have not ended, oldest first. */
  openBatches(): readonly Batch[];
  /** Ids of batches that have ended and still have jobs, because the process died before they were forgotten. */
  endedWithJobs(): readonly string[];
  changeBatch(id: string, change: BatchChange): void;
  /** Sets a batch's counters back to nothing, for one that is read anew. */
  resetBatch(id: string): void;
  deleteBatch(id: string): void;
  /** How nights went compared with their plans, as it was saved last. */
  pace(): SavedPace | undefined;
  savePace(pace: SavedPace): void;
  addFile(file: StoredFile): void;
  file(id: string): StoredFile | undefined;
  files(client: string | undefined, page: Page & { readonly purpose?: string }): readonly StoredFile[];
  /** Files whose time has come. */
  expiredFiles(nowMs: number): readonly StoredFile[];
  /** False where there was none. */
  deleteFile(id: string): boolean;
  /** Ids of batches that have not ended and read this file. */
  readersOf(file: string): readonly string[];
}

/** See `batch/pace.ts`. */
export type SavedPace = { readonly scores: readonly number[] };

type BatchRow = {
  readonly id: string;
  readonly client: string;
  readonly request: string;
  readonly status: BatchStatus;
  readonly times: string;
  readonly faults: string;
  readonly output_file: string | null;
  readonly error_file: string | null;
  readonly paused: string | null;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly lost_ms: number;
  readonly preempted: number;
};

const FILE = 'id, client, filename, purpose, bytes, created_ms AS createdMs, expires_ms AS expiresMs';
type FileRow = Omit<StoredFile, 'expiresMs'> & { readonly expiresMs: number | null };

/** The tables `batches` and `files`. All functions throw SQLite's own errors. */
export function openBatchTable(database: Database): BatchTable {
  const insert = database.prepare(`
    INSERT INTO batches (id, client, endpoint, input_file, request, status, times)
    VALUES (@id, @client, @endpoint, @inputFile, @request, @status, @times)`);
  const select = database.prepare<unknown[], BatchRow>('SELECT * FROM batches WHERE id = ?');
  const lists = listings<BatchRow>(database, 'batches', '*', 'TRUE');
  const selectOpen = database.prepare<unknown[], BatchRow>(`
    SELECT * FROM batches WHERE status NOT IN ('failed', 'completed', 'expired', 'cancelled') ORDER BY seq`);
  const selectWithJobs = database.prepare<unknown[], Pick<BatchRow, 'id' | 'status'>>(
    'SELECT id, status FROM batches WHERE EXISTS (SELECT 1 FROM batch_jobs WHERE batch = batches.id)',
  );
  const update = database.prepare(`
    UPDATE batches SET status = @status, times = @times, faults = @faults, output_file = @outputFile,
      error_file = @errorFile, paused = @paused WHERE id = @id`);
  const reset = database.prepare(`
    UPDATE batches SET total = 0, done = 0, failed = 0, input_tokens = 0, cached_tokens = 0, output_tokens = 0,
      reasoning_tokens = 0 WHERE id = ?`);
  const remove = database.prepare('DELETE FROM batches WHERE id = ?');
  const insertFile = database.prepare(`
    INSERT INTO files (id, client, filename, purpose, bytes, created_ms, expires_ms)
    VALUES (@id, @client, @filename, @purpose, @bytes, @createdMs, @expiresMs)
    ON CONFLICT (id) DO UPDATE SET bytes = @bytes`);
  const selectFile = database.prepare<unknown[], FileRow>(`SELECT ${FILE} FROM files WHERE id = ?`);
  const fileLists = listings<FileRow>(database, 'files', FILE, '(@purpose IS NULL OR purpose = @purpose)');
  const selectExpired = database.prepare<unknown[], FileRow>(`SELECT ${FILE} FROM files WHERE expires_ms <= ?`);
  const removeFile = database.prepare('DELETE FROM files WHERE id = ?');

  const selectPace = database.prepare<unknown[], { readonly pace: string }>('SELECT pace FROM batch_pace');
  const upsertPace = database.prepare(`
    INSERT INTO batch_pace (only_row, pace) VALUES (1, @pace) ON CONFLICT (only_row) DO UPDATE SET pace = @pace`);

  const find = (id: string): Batch | undefined => {
    const row = select.get(id);
    return row === undefined ? undefined : toBatch(row);
  };
  const change = database.transaction((id: string, changes: BatchChange) => {
    const before = find(id);
    if (before === undefined) return;
    const { status, times, faults, outputFile, errorFile, paused } = { ...before, ...changes };
    update.run({
      ...{ id, status, times: JSON.stringify(times), faults: JSON.stringify(faults) },
      ...{ outputFile: outputFile ?? null, errorFile: errorFile ?? null, paused: paused ?? null },
    });
  });
  const open = (): readonly Batch[] => selectOpen.all().map(toBatch);

  return {
    addBatch: ({ id, client, request, status, times }) =>
      durably(database, () =>
        insert.run({
          ...{ id, client, status, endpoint: request.endpoint, inputFile: request.inputFile },
          ...{ request: JSON.stringify(request), times: JSON.stringify(times) },
        }),
      ),
    batch: find,
    batches: (client, page) => lists(client, page, {}).map(toBatch),
    openBatches: open,
    endedWithJobs: () =>
      selectWithJobs
        .all()
        .filter(({ status }) => isEnded(status))
        .map(({ id }) => id),
    changeBatch: (id, changes) => durably(database, () => change.immediate(id, changes)),
    resetBatch: (id) => void reset.run(id),
    deleteBatch: (id) => void remove.run(id),
    pace: () => {
      const row = selectPace.get();
      if (row === undefined) return undefined;
      const saved = JSON.parse(row.pace) as Partial<SavedPace>;
      // One of an older form is learned anew.
      return Array.isArray(saved.scores) ? { scores: saved.scores } : undefined;
    },
    savePace: (pace) => void upsertPace.run({ pace: JSON.stringify(pace) }),
    addFile: (file) => durably(database, () => insertFile.run({ ...file, expiresMs: file.expiresMs ?? null })),
    file: (id) => {
      const row = selectFile.get(id);
      return row === undefined ? undefined : toFile(row);
    },
    files: (client, { purpose, ...page }) => fileLists(client, page, { purpose: purpose ?? null }).map(toFile),
    expiredFiles: (nowMs) => selectExpired.all(nowMs).map(toFile),
    deleteFile: (id) => removeFile.run(id).changes > 0,
    readersOf: (file) =>
      open()
        .filter(({ request }) => request.inputFile === file)
        .map(({ id }) => id),
  };
}

// One statement per direction; the page begins after the row whose id is `after`.
function listings<Row>(database: Database, table: string, columns: string, condition: string) {
  const prepare = (sign: '<' | '>', direction: 'DESC' | 'ASC') =>
    database.prepare<unknown[], Row>(`
      SELECT ${columns} FROM ${table}
      WHERE (@client IS NULL OR client = @client) AND ${condition}
        AND (@after IS NULL OR seq ${sign} (SELECT seq FROM ${table} WHERE id = @after))
      ORDER BY seq ${direction} LIMIT @limit`);
  const statements = { desc: prepare('<', 'DESC'), asc: prepare('>', 'ASC') };
  return (client: string | undefined, { after, limit, order = 'desc' }: Page, more: object): readonly Row[] =>
    statements[order].all({ client: client ?? null, after: after ?? null, limit, ...more });
}

const toFile = ({ expiresMs, ...file }: FileRow): StoredFile => ({ ...file, expiresMs: expiresMs ?? undefined });

const toBatch = (row: BatchRow): Batch => ({
  id: row.id,
  client: row.client,
  request: JSON.parse(row.request) as BatchRequest,
  status: row.status,
  times: JSON.parse(row.times) as Batch['times'],
  faults: JSON.parse(row.faults) as Batch['faults'],
  outputFile: row.output_file ?? undefined,
  errorFile: row.error_file ?? undefined,
  counts: { total: row.total, done: row.done, failed: row.failed },
  usage: {
    inputTokens: row.input_tokens,
    cachedTokens: row.cached_tokens,
    outputTokens: row.output_tokens,
    reasoningTokens: row.reasoning_tokens,
  },
  lostMs: row.lost_ms,
  preempted: row.preempted,
  paused: row.paused ?? undefined,
});
