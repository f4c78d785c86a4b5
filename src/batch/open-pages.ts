import type { JobQueue, OpenJob } from '../core/batch.ts';

/** Jobs read together, some milliseconds of work for whoever reads them. */
const PAGE = 250;

/** Jobs of a batch that nobody has ended, in the order of their lines, page by page. */
export async function* openPages(queue: Pick<JobQueue, 'open'>, batch: string): AsyncGenerator<readonly OpenJob[]> {
  let afterLine = 0;
  for (;;) {
    const page = await queue.open(batch, { afterLine, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    afterLine = last.line;
  }
}
