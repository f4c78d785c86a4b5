import type { Database } from 'better-sqlite3';
import type {
  BatchUsage,
  ClaimedJob,
  JobCounts,
  JobLine,
  JobQueue,
  JobResult,
  NewJob,
  OpenJob,
} from '../core/batch.ts';
import type { Clock } from '../core/clock.ts';

type JobRow = {
  readonly batch: string;
  readonly line: number;
  readonly customId: string;
  readonly offset: number;
  readonly length: number;
  readonly promptChars: number;
  readonly messageCount: number;
  readonly maxTokens: number | null;
  readonly model: string | null;
  readonly attempts: number;
  readonly crashes: number;
  readonly lostMs: number;
  readonly partial: string | null;
};

type Nullable<Row, Names extends keyof Row> = Omit<Row, Names> & { readonly [Name in Names]: Row[Name] | null };

/** Rows changed in one statement, some milliseconds. */
const ROWS_TOGETHER = 1_000;

type Guard = <Result>(call: () => Result) => Result;

/**
 * The job queue in SQLite: the tables `batches` (counters) and `batch_jobs`. A result, the change of state and the
 * counters of the batch are one transaction. `guard` turns SQLite's errors into ours.
 */
export function openJobQueue(database: Database, clock: Clock, guard: Guard): JobQueue {
  const insert = database.prepare(`
    INSERT INTO batch_jobs (batch, line, custom_id, offset, length, prompt_chars, message_count, max_tokens, asked_model)
    VALUES (@batch, @line, @customId, @offset, @length, @promptChars, @messageCount, @maxTokens, @model)
    ON CONFLICT (batch, line) DO NOTHING`);
  const countIn = database.prepare('UPDATE batches SET total = total + ? WHERE id = ?');
  const freeJob = freeJobs(database);
  const take = database.prepare(`
    UPDATE batch_jobs SET lease = @lease, lease_until_ms = @untilMs, attempts = attempts + 1
    WHERE batch = @batch AND line = @line`);
  const extend = database.prepare(`
    UPDATE batch_jobs SET lease_until_ms = @untilMs
    WHERE batch = @batch AND line = @line AND lease = @lease AND state = 'open'`);
  const end = database.prepare(`
    UPDATE batch_jobs SET state = @state, model = @model, result = @text, lease = NULL, partial = NULL
    WHERE batch = @batch AND line = @line AND lease = @lease AND state = 'open'`);
  const countEnd = database.prepare(`
    UPDATE batches SET done = done + @done, failed = failed + @failed,
      input_tokens = input_tokens + @inputTokens, cached_tokens = cached_tokens + @cachedTokens,
      output_tokens = output_tokens + @outputTokens, reasoning_tokens = reasoning_tokens + @reasoningTokens,
      lost_ms = lost_ms + @lostMs
    WHERE id = @batch`);
  const putBack = database.prepare(`
    UPDATE batch_jobs SET lease = NULL, crashes = crashes + @crashes, lost_ms = lost_ms + @lostMs, partial = @partial
    WHERE batch = @batch AND line = @line AND lease = @lease AND state = 'open'`);
  const countLost = database.prepare(
    'UPDATE batches SET lost_ms = lost_ms + @lostMs, preempted = preempted + @preempted WHERE id = @batch',
  );
  const cancelRunning = database.prepare(`
    UPDATE batch_jobs SET state = 'cancelled', lease = NULL, partial = NULL
    WHERE batch = ? AND state = 'open' AND lease IS NOT NULL`);
  const cancelSome = database.prepare(`
    UPDATE batch_jobs SET state = 'cancelled', partial = NULL
    WHERE batch = @batch AND line IN
      (SELECT line FROM batch_jobs WHERE batch = @batch AND state = 'open' LIMIT ${ROWS_TOGETHER})`);
  const reclaim = database.prepare("UPDATE batch_jobs SET lease = NULL WHERE batch = ? AND state = 'open'");
  const hold = database.prepare('UPDATE batches SET held = ? WHERE id = ?');
  const selectOpen = database.prepare<unknown[], Nullable<OpenJob, 'maxTokens' | 'model'>>(`
    SELECT line, custom_id AS customId, prompt_chars AS promptChars, message_count AS messageCount,
      max_tokens AS maxTokens, asked_model AS model
    FROM batch_jobs WHERE batch = @batch AND state = 'open' AND line > @afterLine ORDER BY line LIMIT @limit`);
  const selectCounts = database.prepare<unknown[], JobCounts>('SELECT total, done, failed FROM batches WHERE id = ?');
  const selectResults = database.prepare<unknown[], JobLine>(`
    SELECT line, result AS text FROM batch_jobs
    WHERE batch = @batch AND state = @state AND line > @afterLine ORDER BY line LIMIT @limit`);
  const forgetSome = database.prepare(`
    DELETE FROM batch_jobs
    WHERE batch = @batch AND line IN (SELECT line FROM batch_jobs WHERE batch = @batch LIMIT ${ROWS_TOGETHER})`);

  const enqueue = database.transaction((batch: string, jobs: readonly NewJob[]) => {
    let added = 0;
    for (const job of jobs)
      added += insert.run({ ...job, batch, maxTokens: job.maxTokens ?? null, model: job.model ?? null }).changes;
    countIn.run(added, batch);
  });
  const claim = database.transaction((batch: string, leaseMs: number, line: number | undefined) => {
    const nowMs = clock.nowMs();
    const row = freeJob(batch, line, nowMs);
    if (row === undefined) return undefined;
    const lease = clock.randomHex(8);
    take.run({ batch, line: row.line, lease, untilMs: nowMs + leaseMs });
    return claimed(row, lease);
  });
  const finish = database.transaction((job: ClaimedJob, { state, model, text, usage, lostMs = 0 }: JobResult) => {
    if (end.run({ ...keyOf(job), state, model: model ?? null, text }).changes === 0) return false;
    countEnd.run({
      batch: job.batch,
      done: state === 'done' ? 1 : 0,
      failed: state === 'failed' ? 1 : 0,
      lostMs,
      ...usage,
    });
    return true;
  });
  const giveBack = database.transaction((job: ClaimedJob, why: Parameters<JobQueue['giveBack']>[1]) => {
    const { crashed, lostMs, preempted, partial } = why;
    const change = putBack.run({ ...keyOf(job), crashes: crashed ? 1 : 0, lostMs, partial: partial ?? null });
    if (change.changes === 0) return false;
    countLost.run({ batch: job.batch, lostMs, preempted: preempted ? 1 : 0 });
    return true;
  });

  const stopAll = database.transaction((batch: string) => {
    hold.run(1, batch);
    return cancelRunning.run(batch).changes;
  });

  return {
    enqueue: async (batch, jobs) => guard(() => enqueue.immediate(batch, jobs)),
    claim: async (batch, { leaseMs, line }) => guard(() => claim.immediate(batch, leaseMs, line)),
    renew: async (job, leaseMs) =>
      guard(() => extend.run({ ...keyOf(job), untilMs: clock.nowMs() + leaseMs }).changes > 0),
    finish: async (job, result) => guard(() => finish.immediate(job, result)),
    giveBack: async (job, why) => guard(() => giveBack.immediate(job, why)),
    cancel: async (batch) => {
      // Nothing is begun and no result is taken from here on; the many that wait follow piece by piece.
      const running = guard(() => stopAll.immediate(batch));
      return running + (await inPieces(() => guard(() => cancelSome.run({ batch }).changes)));
    },
    pause: async (batch) => void guard(() => hold.run(1, batch)),
    resume: async (batch) => void guard(() => hold.run(0, batch)),
    open: async (batch, page = { afterLine: 0, limit: -1 }) =>
      guard(() => selectOpen.all({ batch, ...page })).map(({ maxTokens, model, ...job }) => ({
        ...job,
        maxTokens: maxTokens ?? undefined,
        model: model ?? undefined,
      })),
    reclaim: async (batch) => void guard(() => reclaim.run(batch)),
    counts: async (batch) => guard(() => selectCounts.get(batch)) ?? { total: 0, done: 0, failed: 0 },
    results: async (batch, page) => guard(() => selectResults.all({ batch, ...page })),
    forget: async (batch) => void (await inPieces(() => guard(() => forgetSome.run({ batch }).changes))),
  };
}

// Each with a statement of its own: one for both would look through all jobs before the line that is asked for.
function freeJobs(database: Database) {
  const prepare = (condition: string) =>
    database.prepare<unknown[], JobRow>(`
      SELECT batch, line, custom_id AS customId, offset, length, prompt_chars AS promptChars,
        message_count AS messageCount, max_tokens AS maxTokens, asked_model AS model, attempts, crashes,
        lost_ms AS lostMs, partial
      FROM batch_jobs
      WHERE batch = @batch AND state = 'open' AND ${condition} AND (lease IS NULL OR lease_until_ms <= @nowMs)
        AND (SELECT held FROM batches WHERE id = @batch) = 0
      ORDER BY line LIMIT 1`);
  const [first, exact] = [prepare('TRUE'), prepare('line = @line')];
  return (batch: string, line: number | undefined, nowMs: number): JobRow | undefined =>
    line === undefined ? first.get({ batch, nowMs }) : exact.get({ batch, line, nowMs });
}

// Fifty thousand rows in one statement would keep the process, which passes on tokens, for too long.
async function inPieces(change: () => number): Promise<number> {
  let changed = 0;
  for (;;) {
    const rows = change();
    changed += rows;
    if (rows < ROWS_TOGETHER) return changed;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** No tokens. */
export const NO_USAGE: BatchUsage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 };

const keyOf = ({ batch, line, lease }: ClaimedJob) => ({ batch, line, lease });

// The row is as it was before the claim, which is one more attempt.
const claimed = ({ maxTokens, model, partial, ...row }: JobRow, lease: string): ClaimedJob => ({
  ...row,
  lease,
  attempts: row.attempts + 1,
  maxTokens: maxTokens ?? undefined,
  model: model ?? undefined,
  partial: partial ?? undefined,
});
