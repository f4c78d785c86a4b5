import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ClaimedJob, JobQueue } from '../../src/core/batch.ts';
import { modelId } from '../../src/core/ids.ts';
import { NO_USAGE } from '../../src/store/job-queue.ts';
import { type BatchDesk, inputLines, openDesk } from '../helpers/batch-desk.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const statusOf = (desk: BatchDesk, id: string) => desk.store.batches.batch(id)?.status;
const ids = (lines: readonly { readonly custom_id: string }[] | undefined) => lines?.map((line) => line.custom_id);
const never = new Promise<never>(() => undefined);

/** A queue that never comes back from its `count`th call of `name`, as where the process dies in it. */
const stuckIn =
  (name: keyof JobQueue, count: number) =>
  (real: JobQueue): JobQueue => {
    let calls = 0;
    const call = real[name] as (...given: unknown[]) => unknown;
    return {
      ...real,
      [name]: (...given: unknown[]) => {
        calls += 1;
        return calls >= count ? never : call(...given);
      },
    };
  };

/** Resolves once what could run has run. */
const breath = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a batch', () => {
  it('goes from its input to its files', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(inputLines(3));
    expect(statusOf(desk, id)).toBe('validating');
    await desk.batches.idle();
    expect(desk.batches.runnable().map((batch) => batch.id)).toEqual([id]);
    await desk.work(id, 3);
    desk.batches.settle();
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({ status: 'completed', errorFile: undefined });
    expect(ids(await desk.lines(id, 'output'))).toEqual(['a1', 'a2', 'a3']);
    expect(desk.store.batches.endedWithJobs()).toEqual([]);
  });

  it('is another client’s as little as one that does not exist', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(inputLines(1));
    expect(() => desk.batches.find('you', id)).toThrow(/no such batch/);
    expect(desk.batches.list('you', { limit: 9 })).toEqual([]);
    expect(desk.batches.list('me', { limit: 9 }).map((batch) => batch.id)).toEqual([id]);
    expect(() => desk.batches.list('you', { limit: 9, after: id })).toThrow(/no such batch/);
  });

  it('with lines that are wrong fails and keeps no jobs', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(`${inputLines(600)}\nnonsense`);
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({
      status: 'failed',
      counts: { total: 0 },
      faults: [{ line: 601, code: 'invalid_json_line' }],
    });
    expect(desk.store.batches.endedWithJobs()).toEqual([]);
  });

  it('fails where the bytes of its input are gone', async () => {
    const desk = openDesk(temporaryFolder(), {
      shelf: (real) => ({ ...real, read: (id) => real.read(`${id}-gone`) }),
    });
    const id = await desk.submit(inputLines(1));
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({ status: 'failed', faults: [{ code: 'file_not_found' }] });
  });

  it('that expires names what failed and what is left in the order of the input', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(inputLines(700));
    await desk.batches.idle();
    // In pages: lines that failed on both sides of one, and lines that are left before, between and behind them.
    for (const line of [2, 3, 99, 251, 252, 500, 699]) {
      const job = (await desk.queue.claim(id, { leaseMs: 1000, line })) as ClaimedJob;
      const text = JSON.stringify({ custom_id: job.customId });
      await desk.queue.finish(job, { state: 'failed', model: undefined, text, usage: NO_USAGE });
    }
    await desk.work(id, 1);
    desk.clock.advance(86_400_000);
    desk.batches.settle();
    await desk.batches.idle();
    expect(statusOf(desk, id)).toBe('expired');
    expect(ids(await desk.lines(id, 'output'))).toEqual(['a1']);
    expect(ids(await desk.lines(id, 'error'))).toEqual(Array.from({ length: 699 }, (_, index) => `a${index + 2}`));
  });

  it('is cancelled while its input is read', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(inputLines(900));
    await desk.batches.cancel('me', id);
    await desk.batches.idle();
    desk.batches.settle();
    await desk.batches.idle();
    expect(statusOf(desk, id)).toBe('cancelled');
    expect(desk.notices.filter((notice) => notice.includes('paused'))).toEqual([]);
    await expect(desk.batches.cancel('me', id)).rejects.toMatchObject({ details: { status: 409 } });
  });

  it('names each line once when a result comes while its files are written', async () => {
    let late: Promise<boolean> | undefined;
    let running: ClaimedJob | undefined;
    const desk = openDesk(temporaryFolder(), {
      queue: (real) => ({
        ...real,
        // The files are being written: an item that was under way ends now.
        results: async (batch, page) => {
          if (late === undefined && running !== undefined) {
            const text = JSON.stringify({ custom_id: running.customId });
            late = real.finish(running, { state: 'done', model: modelId('m'), text, usage: NO_USAGE, lostMs: 0 });
            await late;
          }
          return real.results(batch, page);
        },
      }),
    });
    const id = await desk.submit(inputLines(5));
    await desk.batches.idle();
    await desk.work(id, 2);
    running = await desk.queue.claim(id, { leaseMs: 1000 });
    desk.clock.advance(86_400_001);
    desk.batches.settle();
    await desk.batches.idle();
    expect(await late).toBe(false);
    expect(statusOf(desk, id)).toBe('expired');
    const named = [...(ids(await desk.lines(id, 'output')) ?? []), ...(ids(await desk.lines(id, 'error')) ?? [])];
    expect(named).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
  });
});

describe('a process that died', () => {
  it('while an input was read: the next one reads it from the start', async () => {
    const folder = temporaryFolder();
    const first = openDesk(folder, { queue: stuckIn('enqueue', 3) });
    const id = await first.submit(inputLines(800));
    while (first.store.batches.batch(id)?.counts.total !== 500) await breath();
    first.die();
    const second = openDesk(folder, { clock: first.clock });
    await second.batches.recover();
    await second.batches.idle();
    expect(second.store.batches.batch(id)).toMatchObject({ status: 'in_progress', counts: { total: 800 } });
    await second.work(id, 800);
    expect(await second.queue.claim(id, { leaseMs: 1 })).toBeUndefined();
  });

  it('while files were written: the next one writes the same files', async () => {
    const folder = temporaryFolder();
    const first = openDesk(folder, { queue: stuckIn('results', 2) });
    const id = await first.submit(inputLines(300));
    await first.batches.idle();
    await first.work(id, 300);
    first.batches.settle();
    while (
      statusOf(first, id) !== 'finalizing' ||
      !readdirSync(first.shelf.folder).some((name) => name.endsWith('.part'))
    )
      await breath();
    first.die();
    const second = openDesk(folder, { clock: first.clock });
    await second.batches.recover();
    await second.batches.idle();
    expect(statusOf(second, id)).toBe('completed');
    expect(new Set(ids(await second.lines(id, 'output'))).size).toBe(300);
    expect(readdirSync(second.shelf.folder).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect(second.files.list('me', { limit: 9, purpose: 'batch_output' })).toHaveLength(1);
  });

  it('between the end of a batch and the removal of its jobs: the next one removes them', async () => {
    const folder = temporaryFolder();
    const first = openDesk(folder, { queue: stuckIn('forget', 2) });
    const id = await first.submit(inputLines(2));
    await first.batches.idle();
    await first.work(id, 2);
    first.batches.settle();
    while (statusOf(first, id) !== 'completed') await breath();
    first.die();
    const second = openDesk(folder, { clock: first.clock });
    expect(second.store.batches.endedWithJobs()).toEqual([id]);
    await second.batches.recover();
    expect(second.store.batches.endedWithJobs()).toEqual([]);
    expect(ids(await second.lines(id, 'output'))).toEqual(['a1', 'a2']);
  });

  it('while a batch was cancelled: the next one cancels the rest and keeps what was done', async () => {
    const folder = temporaryFolder();
    const first = openDesk(folder, { queue: stuckIn('cancel', 1) });
    const id = await first.submit(inputLines(4));
    await first.batches.idle();
    await first.work(id, 1);
    await first.batches.cancel('me', id);
    expect(statusOf(first, id)).toBe('cancelling');
    first.die();
    const second = openDesk(folder, { clock: first.clock });
    await second.batches.recover();
    await second.batches.idle();
    expect(second.store.batches.batch(id)).toMatchObject({ status: 'cancelled', counts: { total: 4, done: 1 } });
    expect(ids(await second.lines(id, 'output'))).toEqual(['a1']);
  });
});

describe('a full disk', () => {
  it('pauses the writing of files with its reason, and goes on when there is room', async () => {
    const desk = openDesk(temporaryFolder());
    const id = await desk.submit(inputLines(3));
    await desk.batches.idle();
    await desk.work(id, 3);
    // The kernel's own full disk.
    const output = `file-${id.replace('batch_', '')}-output`;
    symlinkSync('/dev/full', `${desk.shelf.pathOf(output)}.part`);
    desk.batches.settle();
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({ status: 'finalizing' });
    expect(desk.store.batches.batch(id)?.paused).toMatch(/the disk is full: free some space/);
    expect(existsSync(desk.shelf.pathOf(output))).toBe(false);
    desk.batches.settle();
    await desk.batches.idle();
    expect(statusOf(desk, id)).toBe('finalizing');
    desk.clock.advance(10_000);
    desk.batches.settle();
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({ status: 'completed', paused: undefined });
    expect(desk.notices.filter((notice) => notice.includes('is paused'))).toHaveLength(1);
    expect(await desk.lines(id, 'output')).toHaveLength(3);
  });

  it('is not said of the next process before it has met it', async () => {
    const folder = temporaryFolder();
    const first = openDesk(folder);
    const id = await first.submit(inputLines(2));
    await first.batches.idle();
    first.batches.pause(id, 'the disk is full');
    first.die();
    const second = openDesk(folder);
    expect(second.store.batches.batch(id)?.paused).toBe('the disk is full');
    await second.batches.recover();
    expect(second.store.batches.batch(id)?.paused).toBeUndefined();
  });

  it('pauses the reading of an input, and it is read when there is room', async () => {
    const desk = openDesk(temporaryFolder(), { pagesMax: 120, linesMax: 50_000 });
    const small = await desk.submit(inputLines(1200));
    await desk.batches.idle();
    const id = await desk.submit(inputLines(1500));
    await desk.batches.idle();
    expect(statusOf(desk, small)).toBe('in_progress');
    expect(statusOf(desk, id)).toBe('validating');
    expect(desk.notices.at(-1)).toMatch(/is paused: .*the disk is full: free some space/);
    // Room comes from another batch that ends.
    await desk.queue.forget(small);
    desk.clock.advance(10_000);
    desk.batches.settle();
    await desk.batches.idle();
    expect(desk.store.batches.batch(id)).toMatchObject({ paused: undefined, counts: { total: 1500 } });
    expect(statusOf(desk, id)).toBe('in_progress');
  });
});
