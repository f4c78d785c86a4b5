import type { Batch, JobQueue, JobResult } from '../core/batch.ts';
import type { FileShelf } from '../store/file-shelf.ts';
import { openPages } from './open-pages.ts';

/** Results read together while a file is written; each may have some hundred KiB. */
const PAGE = 100;

/** What is said of jobs that were never ended. */
export type LeftJobs = { readonly code: string; readonly message: string };

/** What was written: undefined where there was no line for that file. */
export type WrittenResults = {
  readonly output: { readonly id: string; readonly bytes: number } | undefined;
  readonly errors: { readonly id: string; readonly bytes: number } | undefined;
};

/**
 * Writes the output and error file of a batch from its results, in the order of its input. Their ids follow from the
 * batch's, so that a second attempt after a crash writes the same files again. Jobs that were never ended get an error
 * line each, which says what `left` says; undefined = there is none of them.
 */
export async function writeResults(
  { queue, shelf }: { readonly queue: JobQueue; readonly shelf: FileShelf },
  batch: Batch,
  left: LeftJobs | undefined,
): Promise<WrittenResults> {
  const { done, failed } = await queue.counts(batch.id);
  const output = fileId(batch.id, 'output');
  const errors = fileId(batch.id, 'error');
  return {
    output: done === 0 ? undefined : { id: output, bytes: await shelf.write(output, linesOf(queue, batch.id, 'done')) },
    errors:
      failed === 0 && left === undefined
        ? undefined
        : { id: errors, bytes: await shelf.write(errors, errorLines(queue, batch.id, left)) },
  };
}

/** Id of a file that a batch writes. */
const fileId = (batch: string, kind: string): string => `file-${batch.replace(/^batch_/, '')}-${kind}`;

async function* linesOf(queue: JobQueue, batch: string, state: JobResult['state']): AsyncGenerator<string> {
  let afterLine = 0;
  for (;;) {
    const page = await queue.results(batch, { state, afterLine, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map(({ text }) => `${text}\n`).join('');
    afterLine = last.line;
  }
}

async function* errorLines(queue: JobQueue, batch: string, left: LeftJobs | undefined): AsyncGenerator<string> {
  yield* linesOf(queue, batch, 'failed');
  if (left === undefined) return;
  const { code, message } = left;
  for await (const jobs of openPages(queue, batch)) {
    const lines = jobs.map(({ customId, line }) =>
      JSON.stringify({ id: requestIdOf(batch, line), custom_id: customId, response: null, error: { code, message } }),
    );
    yield lines.map((line) => `${line}\n`).join('');
  }
}

/** Id of one line's request, the same however often it is tried. */
export const requestIdOf = (batch: string, line: number): string => `batch_req_${batch.replace(/^batch_/, '')}_${line}`;
