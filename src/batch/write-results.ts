import type { Batch, JobLine, JobQueue, JobResult } from '../core/batch.ts';
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
  const write = async (id: string, pages: AsyncIterable<readonly JobLine[]>) => ({
    id,
    bytes: await shelf.write(id, textOf(pages)),
  });
  return {
    output: done === 0 ? undefined : await write(output, pagesOf(queue, batch.id, 'done')),
    errors: failed === 0 && left === undefined ? undefined : await write(errors, errorPages(queue, batch.id, left)),
  };
}

/** Id of a file that a batch writes. */
const fileId = (batch: string, kind: string): string => `file-${batch.replace(/^batch_/, '')}-${kind}`;

async function* textOf(lines: AsyncIterable<readonly JobLine[]>): AsyncGenerator<string> {
  for await (const page of lines) yield page.map(({ text }) => `${text}\n`).join('');
}

async function* pagesOf(queue: JobQueue, batch: string, state: JobResult['state']): AsyncGenerator<readonly JobLine[]> {
  let afterLine = 0;
  for (;;) {
    const page = await queue.results(batch, { state, afterLine, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    afterLine = last.line;
  }
}

async function* leftPages(
  queue: JobQueue,
  batch: string,
  { code, message }: LeftJobs,
): AsyncGenerator<readonly JobLine[]> {
  for await (const jobs of openPages(queue, batch)) {
    yield jobs.map(({ customId, line }) => {
      const result = { id: requestIdOf(batch, line), custom_id: customId, response: null, error: { code, message } };
      return { line, text: JSON.stringify(result) };
    });
  }
}

function errorPages(queue: JobQueue, batch: string, left: LeftJobs | undefined): AsyncIterable<readonly JobLine[]> {
  const failed = pagesOf(queue, batch, 'failed');
  return left === undefined ? failed : inOrder(failed, leftPages(queue, batch, left));
}

// Two sources that are each in the order of their lines, as one that is.
async function* inOrder(
  first: AsyncIterator<readonly JobLine[]>,
  second: AsyncIterator<readonly JobLine[]>,
): AsyncGenerator<readonly JobLine[]> {
  const sources = [
    { from: first, page: [] as readonly JobLine[] },
    { from: second, page: [] as readonly JobLine[] },
  ];
  for (;;) {
    for (const source of sources) {
      if (source.page.length === 0) source.page = (await source.from.next()).value ?? [];
    }
    // A line behind the end of either page may have one before it that has not been read.
    const ends = sources.flatMap(({ page }) => page.at(-1)?.line ?? []);
    if (ends.length === 0) return;
    const end = Math.min(...ends);
    const known = sources.flatMap(({ page }) => page.filter(({ line }) => line <= end));
    for (const source of sources) source.page = source.page.filter(({ line }) => line > end);
    yield known.sort((a, b) => a.line - b.line);
  }
}

/** Id of one line's request, the same however often it is tried. */
export const requestIdOf = (batch: string, line: number): string => `batch_req_${batch.replace(/^batch_/, '')}_${line}`;
