import { describe, expect, it } from 'vitest';
import type { ClaimedJob, JobQueue } from '../../../src/core/batch.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId } from '../../../src/core/ids.ts';
import type { Policy } from '../../../src/core/policy.ts';
import type { ItemEnd } from '../../../src/serve/batch/item.ts';
import { createResultKeeper } from '../../../src/serve/batch/keep-result.ts';
import { NO_USAGE } from '../../../src/store/job-queue.ts';
import { inputLines, openDesk } from '../../helpers/batch-desk.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const model = modelId('m');
const failure = new GatewayError('runtime_failed', 'the child died');
const done: ItemEnd = { kind: 'done', text: '{"n":1}', usage: NO_USAGE, lostMs: 0 };
const breath = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A keeper over a real queue with one claimed line; `isFull` is asked before each call that writes. */
async function keeping(isFull: () => boolean = () => false) {
  const full = () => Promise.reject(new GatewayError('disk_full', 'the disk is full'));
  const desk = openDesk(temporaryFolder(), {
    queue: (real): JobQueue => ({
      ...real,
      finish: (job, result) => (isFull() ? full() : real.finish(job, result)),
      giveBack: (job, why) => (isFull() ? full() : real.giveBack(job, why)),
    }),
  });
  const id = await desk.submit(inputLines(2));
  await desk.batches.idle();
  const claim = async () => (await desk.queue.claim(id, { leaseMs: 1000, line: 1 })) as ClaimedJob;
  const notices: string[] = [];
  let isClosed = false;
  const keeper = createResultKeeper(
    {
      ...{ clock: desk.clock, queue: desk.queue, batches: desk.batches },
      policy: () => ({ batch: { crashesMax: 3 } }) as Policy,
      emit: (event) => void (event.kind === 'gateway.notice' && notices.push(event.message)),
    },
    () => isClosed,
  );
  const keep = async (job: ClaimedJob, end: ItemEnd) => keeper.keep(job, model, { end, tookMs: 700 });
  const close = () => {
    isClosed = true;
  };
  return { desk, id, claim, keep, notices, close, batch: () => desk.store.batches.batch(id) };
}

describe('what becomes of an attempt', () => {
  it('is a result, and its line is never given out again', async () => {
    const { claim, keep, batch, desk, id } = await keeping();
    await keep(await claim(), done);
    expect(batch()?.counts).toEqual({ total: 2, done: 1, failed: 0 });
    expect(await desk.queue.claim(id, { leaseMs: 1000, line: 1 })).toBeUndefined();
  });

  it('is a line of the error file where the request cannot be answered', async () => {
    const { claim, keep, batch } = await keeping();
    await keep(await claim(), { kind: 'refused', text: '{}' });
    expect(batch()?.counts).toEqual({ total: 2, done: 0, failed: 1 });
  });

  it('is what it goes on with, and what it has cost, where it made way', async () => {
    const { claim, keep, batch } = await keeping();
    await keep(await claim(), { kind: 'preempted', lostMs: 250, partial: 'half' });
    expect(batch()).toMatchObject({ lostMs: 250, preempted: 1 });
    const again = await claim();
    expect(again).toMatchObject({ attempts: 2, partial: 'half', lostMs: 250, crashes: 0 });
    // Nothing is wrong with it, and what was there before is still good.
    await keep(again, { kind: 'later', error: failure });
    expect(await claim()).toMatchObject({ attempts: 3, partial: 'half', lostMs: 250 });
  });

  it('is the end of a line over which a child has died too often', async () => {
    const { claim, keep, batch, notices } = await keeping();
    const crashed: ItemEnd = { kind: 'crashed', error: failure, text: '{"crashed":true}' };
    await keep(await claim(), crashed);
    await keep(await claim(), crashed);
    expect(batch()).toMatchObject({ counts: { failed: 0 }, lostMs: 1400 });
    await keep(await claim(), crashed);
    expect(batch()?.counts).toEqual({ total: 2, done: 0, failed: 1 });
    expect(notices).toEqual([
      expect.stringMatching(/line 1 is given up: m failed over it 3 times \(batch\.crashes_max\)/),
    ]);
  });
});

describe('a result for which the disk has no room', () => {
  it('stays in memory, is tried again every ten seconds, and says so', async () => {
    let isFull = true;
    const { claim, keep, batch, desk } = await keeping(() => isFull);
    const kept = keep(await claim(), done);
    await breath();
    expect(batch()?.paused).toBe('the disk is full');
    desk.clock.advance(10_000);
    await breath();
    expect(batch()?.counts.done).toBe(0);
    isFull = false;
    desk.clock.advance(10_000);
    await kept;
    expect(batch()).toMatchObject({ counts: { done: 1 }, paused: undefined });
  });

  it('is given up by a gateway that ends: its line is run again', async () => {
    const { claim, keep, close } = await keeping(() => true);
    const job = await claim();
    close();
    await expect(keep(job, done)).rejects.toThrow(/disk is full/);
  });
});
