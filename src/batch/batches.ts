import {
  type Batch,
  type BatchFault,
  type BatchRequest,
  type BatchTimes,
  isEnded,
  type JobQueue,
} from '../core/batch.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { Policy } from '../core/policy.ts';
import type { BatchTable, Page } from '../store/batch-table.ts';
import type { FileShelf } from '../store/file-shelf.ts';
import { type InputRules, readInput } from './read-input.ts';
import { writeResults } from './write-results.ts';

/** What batches are kept with. */
export type BatchesParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly table: BatchTable;
  readonly queue: JobQueue;
  readonly shelf: FileShelf;
  readonly policy: () => Policy;
  /** How a client's lines of an endpoint are read. */
  readonly rulesFor: (endpoint: BatchRequest['endpoint'], client: string) => Pick<InputRules, 'readBody' | 'modelOf'>;
};

/** Batches from their creation to their files. Running their jobs is somebody else's: see `serve/batch/runner.ts`. */
export interface Batches {
  /** Adds a batch; its input is read in the background. Throws `disk_full` or `store_failed`. */
  create(client: string, request: BatchRequest): Batch;
  /** Throws `not_found`; a batch of another client is not found either. */
  find(client: string, id: string): Batch;
  /** Throws `not_found` where there is no batch `after`: the page that follows it is not known any more. */
  list(client: string, page: Page): readonly Batch[];
  /** Those whose jobs may be run, earliest deadline first. */
  runnable(): readonly Batch[];
  /** Ends a batch early; what was done until then is in its output file. Throws `not_found`, or 409 once it has ended. */
  cancel(client: string, id: string): Promise<Batch>;
  /** Begins to write the files of batches that have nothing left to run or whose deadline has passed. */
  settle(): void;
  /** Says why nothing of a batch is run although it is time; undefined = nothing is in the way. */
  pause(id: string, reason: string | undefined): void;
  /** Goes on with what the last process left behind. */
  recover(): Promise<void>;
  /** Calls `listener` when there may be something new to run, or less. */
  onChange(listener: () => void): void;
  /** Resolves when no input is being read and no file written. */
  idle(): Promise<void>;
  close(): void;
}

/** Batches on the store's tables and shelf. */
export function createBatches(parts: BatchesParts): Batches {
  return new KeptBatches(parts);
}

/** Work that a full disk stopped is tried again after so long. */
const RETRY_MS = 10_000;
/** Ends the reading of an input nobody wants any more. */
const STOPPED = new Error('stopped while it was read');

class KeptBatches implements Batches {
  readonly #parts: BatchesParts;
  readonly #working = new Map<string, Promise<void>>();
  /** Monotonic time before which work that failed is not tried again, ms. */
  readonly #retryAtMs = new Map<string, number>();
  #changed: () => void = () => undefined;
  #isClosed = false;

  constructor(parts: BatchesParts) {
    this.#parts = parts;
  }

  create(client: string, request: BatchRequest): Batch {
    const { clock, table } = this.#parts;
    const id = `batch_${clock.randomHex(12)}`;
    const times: BatchTimes = { createdMs: clock.nowMs() };
    table.addBatch({ id, client, request, status: 'validating', times });
    this.#work(id, () => this.#validate(id));
    return this.#get(id);
  }

  find(client: string, id: string): Batch {
    const batch = this.#parts.table.batch(id);
    if (batch?.client === client) return batch;
    throw new GatewayError('not_found', `no such batch: ${id.slice(0, 80)}`, { param: 'id' });
  }

  list(client: string, page: Page): readonly Batch[] {
    if (page.after !== undefined) this.find(client, page.after);
    return this.#parts.table.batches(client, page);
  }

  runnable(): readonly Batch[] {
    const running = this.#parts.table.openBatches().filter(({ status }) => status === 'in_progress');
    return running.toSorted((a, b) => a.request.deadlineMs - b.request.deadlineMs);
  }

  async cancel(client: string, id: string): Promise<Batch> {
    const batch = this.find(client, id);
    if (batch.status === 'cancelling') return batch;
    if (isEnded(batch.status) || batch.status === 'finalizing') {
      throw new GatewayError('invalid_request', `${id} is ${batch.status}: it cannot be cancelled any more`, {
        status: 409,
        shouldRetry: false,
      });
    }
    this.#change(id, { status: 'cancelling', times: { cancellingMs: this.#parts.clock.nowMs() } });
    this.#work(id, () => this.#finish(id));
    this.#changed();
    return this.#get(id);
  }

  settle(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const { id, status, counts, request } of this.#parts.table.openBatches()) {
      if (status === 'validating') {
        this.#work(id, () => this.#validate(id));
        continue;
      }
      const isDone = counts.done + counts.failed >= counts.total;
      // What could not be finished before, because the disk was full, is tried again.
      const isEnding = status !== 'in_progress' || isDone || nowMs >= request.deadlineMs;
      if (isEnding) this.#work(id, () => this.#finish(id));
    }
  }

  pause(id: string, reason: string | undefined): void {
    const batch = this.#parts.table.batch(id);
    if (batch === undefined || batch.paused === reason) return;
    this.#parts.table.changeBatch(id, { paused: reason });
    if (reason !== undefined) this.#notice('warn', `${id} is paused: ${reason}`);
  }

  async recover(): Promise<void> {
    const { table, queue, shelf } = this.#parts;
    await shelf.sweep((id) => table.file(id) !== undefined);
    for (const id of table.endedWithJobs()) await queue.forget(id);
    for (const { id, status, paused } of table.openBatches()) {
      // What stood in the last process's way may be gone; where it is not, it is said again.
      if (paused !== undefined) this.pause(id, undefined);
      if (status === 'validating') this.#work(id, () => this.#validate(id));
      if (status === 'cancelling' || status === 'finalizing') this.#work(id, () => this.#finish(id));
    }
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values());
  }

  close(): void {
    this.#isClosed = true;
    this.#changed = () => undefined;
  }

  // One piece of work per batch at a time; a second call while it runs is the same work.
  #work(id: string, work: () => Promise<void>): void {
    const { clock } = this.#parts;
    if (this.#isClosed || this.#working.has(id) || clock.monotonicMs() < (this.#retryAtMs.get(id) ?? 0)) return;
    this.#retryAtMs.delete(id);
    const done = work()
      .catch((error: unknown) => {
        if (this.#isClosed) return;
        this.#retryAtMs.set(id, clock.monotonicMs() + RETRY_MS);
        this.#pauseFor(id, messageOf(error));
      })
      .finally(() => {
        this.#working.delete(id);
        this.#changed();
      });
    this.#working.set(id, done);
  }

  // What stands in the way, a full disk above all, is tried again by `settle`; a disk without room for the work may have
  // none for the reason.
  #pauseFor(id: string, reason: string): void {
    try {
      this.pause(id, reason);
    } catch {
      this.#notice('warn', `${id} is paused: ${reason}`);
    }
  }

  async #validate(id: string): Promise<void> {
    const { table, queue, shelf, policy, clock, rulesFor } = this.#parts;
    const { request, client } = this.#get(id);
    // What was read before, by a process that died or until the disk was full, is read again from the start: only a
    // whole input is run.
    await queue.forget(id);
    table.resetBatch(id);
    const { linesMax } = policy().batch;
    const lineBytesMax = policy().gateway.bodyBytesMax;
    const rules = { endpoint: request.endpoint, linesMax, lineBytesMax, ...rulesFor(request.endpoint, client) };
    const pieces = shelf.read(request.inputFile) as AsyncIterable<Buffer>;
    const isStopped = () => this.#isClosed || table.batch(id)?.status !== 'validating';
    const faults = await readInput(pieces, rules, {
      jobs: async (jobs) => {
        if (isStopped()) throw STOPPED;
        await queue.enqueue(id, jobs);
      },
    }).catch((error: unknown) => {
      if (error === STOPPED) return undefined;
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [goneFault(request.inputFile)];
      throw error;
    });
    // Cancelled meanwhile, or the end of this process.
    if (faults === undefined || isStopped()) return;
    if (faults.length === 0) {
      this.#change(id, { status: 'in_progress', paused: undefined, times: { inProgressMs: clock.nowMs() } });
      return;
    }
    await queue.forget(id);
    if (isStopped()) return;
    table.resetBatch(id);
    this.#change(id, { status: 'failed', faults, paused: undefined, times: { failedMs: clock.nowMs() } });
  }

  async #finish(id: string): Promise<void> {
    const { queue, shelf, table, clock } = this.#parts;
    const before = this.#get(id);
    const isCancelled = before.status === 'cancelling';
    // Whatever still runs has lost: its lease is gone, so its result is dropped. A result that came while the files are
    // written would be in one of them, and its job among those that are left in the other.
    if (isCancelled) await queue.cancel(id);
    else {
      this.#change(id, { status: 'finalizing', times: { finalizingMs: before.times.finalizingMs ?? clock.nowMs() } });
      await queue.pause(id);
      await queue.reclaim(id);
    }
    const batch = this.#get(id);
    const isExpired = !isCancelled && batch.counts.done + batch.counts.failed < batch.counts.total;
    const { output, errors } = await writeResults({ queue, shelf }, batch, isExpired ? EXPIRED : undefined);
    const lifeMs = batch.request.outputLifeMs ?? this.#parts.policy().batch.keepFilesMs;
    const createdMs = clock.nowMs();
    for (const written of [output, errors]) {
      if (written === undefined) continue;
      const filename = `${batch.id}_${written === output ? 'output' : 'error'}.jsonl`;
      const file = {
        client: batch.client,
        filename,
        purpose: 'batch_output',
        createdMs,
        expiresMs: createdMs + lifeMs,
      };
      table.addFile({ ...written, ...file });
    }
    const ended = isCancelled
      ? { status: 'cancelled' as const, times: { cancelledMs: createdMs } }
      : isExpired
        ? { status: 'expired' as const, times: { expiredMs: createdMs } }
        : { status: 'completed' as const, times: { completedMs: createdMs } };
    this.#change(id, { ...ended, outputFile: output?.id, errorFile: errors?.id, paused: undefined });
    await queue.forget(id);
    const { done, failed, total } = this.#get(id).counts;
    this.#notice('info', `${id} is ${ended.status}: ${done} done, ${failed} failed, ${total - done - failed} left`);
  }

  #change(
    id: string,
    change: Omit<Parameters<BatchTable['changeBatch']>[1], 'times'> & { readonly times: Partial<BatchTimes> },
  ): void {
    const { times } = this.#get(id);
    this.#parts.table.changeBatch(id, { ...change, times: { ...times, ...change.times } });
  }

  #get(id: string): Batch {
    const batch = this.#parts.table.batch(id);
    if (batch === undefined) throw new GatewayError('not_found', `no such batch: ${id}`);
    return batch;
  }

  #notice(level: 'info' | 'warn' | 'error', message: string): void {
    this.#parts.emit({ kind: 'gateway.notice', level, message });
  }
}

const goneFault = (file: string): BatchFault => ({
  code: 'file_not_found',
  message: `the bytes of ${file} are gone: upload it again`,
  param: 'input_file_id',
  line: undefined,
});

// OpenAI's own words.
const EXPIRED = {
  code: 'batch_expired',
  message: 'This request could not be executed before the completion window expired.',
};
