import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Batches, createBatches } from '../../src/batch/batches.ts';
import { createFiles, type Files } from '../../src/batch/files.ts';
import type { BatchRequest, JobQueue } from '../../src/core/batch.ts';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { type FileShelf, openFileShelf } from '../../src/store/file-shelf.ts';
import { NO_USAGE } from '../../src/store/job-queue.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { type FakeClock, fakeClock } from './fake-clock.ts';

/** Files and batches on one data directory, as one process of the gateway has them; nothing runs the jobs. */
export type BatchDesk = {
  readonly store: Store;
  readonly queue: JobQueue;
  readonly shelf: FileShelf;
  readonly files: Files;
  readonly batches: Batches;
  readonly clock: FakeClock;
  readonly notices: readonly string[];
  /** Adds a file and a batch over it. */
  submit(text: string, given?: Partial<BatchRequest>): Promise<string>;
  /** Ends `count` waiting jobs of a batch with a result each. */
  work(batch: string, count: number): Promise<void>;
  /** Lines of the file with results, or with errors; undefined where there is none. */
  lines(batch: string, which: 'output' | 'error'): Promise<readonly { readonly custom_id: string }[] | undefined>;
  /** Ends it as a dead process would: nothing more is written. */
  die(): void;
};

/** How a desk is set up; `shelf` and `queue` may put themselves around the real ones. */
export type DeskOptions = {
  readonly clock?: FakeClock;
  readonly pagesMax?: number;
  readonly linesMax?: number;
  readonly shelf?: (real: FileShelf) => FileShelf;
  readonly queue?: (real: JobQueue) => JobQueue;
};

/** Lines of an input, `a1`, `a2`, … */
export const inputLines = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) => `{"custom_id":"a${index + 1}","method":"POST","url":"/v1/completions","body":{"prompt":"x"}}`,
  ).join('\n');

/** Opens one; several on the same folder are several processes, one after the other. */
export function openDesk(folder: string, options: DeskOptions = {}): BatchDesk {
  const clock = options.clock ?? fakeClock();
  const given = options.pagesMax === undefined ? {} : { pagesMax: options.pagesMax };
  const store = openStore(join(folder, 'sluice.db'), { clock, ...given });
  const notices: string[] = [];
  const emit = (event: GatewayEvent) => {
    if (event.kind === 'gateway.notice') notices.push(event.message);
  };
  const realShelf = openFileShelf(join(folder, 'files'));
  const shelf = options.shelf?.(realShelf) ?? realShelf;
  const queue = options.queue?.(store.jobs) ?? store.jobs;
  const policy = () =>
    ({
      gateway: { bodyBytesMax: 1_000_000 },
      batch: { linesMax: options.linesMax ?? 1000, keepFilesMs: 3_600_000, fileBytesMax: 1e6 },
    }) as Policy;
  const readBody = () => ({ model: 'auto', stream: false, promptChars: 1, messageCount: 1, maxTokens: undefined });
  const batches = createBatches({
    ...{ clock, emit, table: store.batches, queue, shelf, policy },
    rulesFor: () => ({ readBody, modelOf: () => undefined }),
  });
  const files = createFiles({ clock, emit, table: store.batches, shelf, policy });
  let isDead = false;
  const die = () => {
    if (isDead) return;
    isDead = true;
    batches.close();
    store.close();
  };
  onTestFinished(die);
  return {
    ...{ store, queue, shelf, files, batches, clock, notices, die },
    submit: async (text, request = {}) => {
      const written = await files.write([Buffer.from(text)] as unknown as AsyncIterable<Uint8Array>);
      const upload = { client: 'me', filename: 'x.jsonl', purpose: 'batch', lifeMs: undefined };
      const { id } = files.add(upload, written);
      return batches.create('me', { ...REQUEST, deadlineMs: clock.nowMs() + 86_400_000, ...request, inputFile: id }).id;
    },
    work: async (batch, count) => {
      for (let ended = 0; ended < count; ended += 1) {
        const job = await queue.claim(batch, { leaseMs: 1000 });
        if (job === undefined) throw new Error('nothing to claim');
        const text = JSON.stringify({ custom_id: job.customId });
        await queue.finish(job, { state: 'done', model: modelId('m'), text, usage: NO_USAGE, lostMs: 0 });
      }
    },
    lines: async (batch, which) => {
      const seen = store.batches.batch(batch);
      const id = which === 'output' ? seen?.outputFile : seen?.errorFile;
      if (id === undefined) return undefined;
      let text = '';
      for await (const piece of shelf.read(id)) text += String(piece);
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    },
  };
}

const REQUEST: Omit<BatchRequest, 'inputFile' | 'deadlineMs'> = {
  endpoint: '/v1/completions',
  completionWindow: '24h',
  metadata: undefined,
  outputLifeMs: undefined,
  when: { kind: 'now' },
  hasDeadline: false,
  model: undefined,
  minQuality: 0,
};
