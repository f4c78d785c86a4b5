import { beforeEach, describe, expect, it } from 'vitest';
import type { BatchUsage, ClaimedJob, JobQueue, JobResult, NewJob } from '../../src/core/batch.ts';
import { modelId } from '../../src/core/ids.ts';
import type { FakeClock } from './fake-clock.ts';

/** A queue to hold to the contract. */
export type QueueUnderTest = {
  readonly queue: JobQueue;
  readonly clock: FakeClock;
  /** Makes a batch known, without jobs. */
  addBatch(id: string): void;
  /** The same queue as another process, or this one after its end, would open it. */
  reopen(): Promise<JobQueue>;
};

const LEASE_MS = 60_000;
const usage: BatchUsage = { inputTokens: 7, cachedTokens: 2, outputTokens: 3, reasoningTokens: 1 };
const done = (text = '{}'): JobResult => ({ state: 'done', model: modelId('m'), text, usage, lostMs: 0 });
const failed = (text = '{}'): JobResult => ({ ...done(text), state: 'failed' });
const notDone = { crashed: false, lostMs: 0, preempted: false, partial: undefined };

const job = (line: number): NewJob => ({
  line,
  customId: `item-${line}`,
  offset: line * 100,
  length: 99,
  promptChars: 50 + line,
  messageCount: 1,
  maxTokens: line % 2 === 0 ? 16 : undefined,
  model: line === 3 ? 'm' : undefined,
});

/** What every implementation of the job queue promises. */
export function describeJobQueue(name: string, make: () => Promise<QueueUnderTest>): void {
  describe(`${name} as a job queue`, () => {
    let given: QueueUnderTest;
    let queue: JobQueue;
    beforeEach(async () => {
      given = await make();
      queue = given.queue;
      given.addBatch('a');
      given.addBatch('b');
      await queue.enqueue('a', [job(1), job(2), job(3)]);
    });
    const claim = async (line?: number): Promise<ClaimedJob> => {
      const claimed = await queue.claim('a', { leaseMs: LEASE_MS, ...(line !== undefined && { line }) });
      if (claimed === undefined) throw new Error('nothing to claim');
      return claimed;
    };

    it('gives jobs out once, in the order of their lines', async () => {
      const lines = [(await claim()).line, (await claim()).line, (await claim()).line];
      expect(lines).toEqual([1, 2, 3]);
      expect(await queue.claim('a', { leaseMs: LEASE_MS })).toBeUndefined();
      expect(await queue.claim('b', { leaseMs: LEASE_MS })).toBeUndefined();
    });

    it('gives out exactly the line asked for, and only while it is free', async () => {
      const claimed = await claim(2);
      expect(claimed).toMatchObject({ ...job(2), batch: 'a', attempts: 1, crashes: 0, lostMs: 0 });
      expect(await queue.claim('a', { leaseMs: LEASE_MS, line: 2 })).toBeUndefined();
      expect(await queue.claim('a', { leaseMs: LEASE_MS, line: 9 })).toBeUndefined();
    });

    it('takes a line in once', async () => {
      await queue.enqueue('a', [{ ...job(2), customId: 'another' }, job(4)]);
      expect(await queue.counts('a')).toEqual({ total: 4, done: 0, failed: 0 });
      expect((await claim(2)).customId).toBe('item-2');
    });

    it('keeps a result and counts it once', async () => {
      const claimed = await claim();
      expect(await queue.finish(claimed, done('{"n":1}'))).toBe(true);
      expect(await queue.finish(claimed, done('{"n":2}'))).toBe(false);
      expect(await queue.finish(await claim(), failed('{"n":3}'))).toBe(true);
      expect(await queue.counts('a')).toEqual({ total: 3, done: 1, failed: 1 });
      const page = { afterLine: 0, limit: 10 };
      expect(await queue.results('a', { ...page, state: 'done' })).toEqual([{ line: 1, text: '{"n":1}' }]);
      expect(await queue.results('a', { ...page, state: 'failed' })).toEqual([{ line: 2, text: '{"n":3}' }]);
      expect((await queue.open('a')).map(({ line }) => line)).toEqual([3]);
    });

    it('gives a job whose lease has run out to the next, and drops what the first one made of it', async () => {
      const late = await claim();
      given.clock.advance(LEASE_MS - 1);
      expect((await claim()).line).toBe(2);
      given.clock.advance(1);
      const again = await claim();
      expect(again).toMatchObject({ line: 1, attempts: 2 });
      expect(await queue.renew(late, LEASE_MS)).toBe(false);
      expect(await queue.finish(late, done('{"late":1}'))).toBe(false);
      expect(await queue.giveBack(late, notDone)).toBe(false);
      expect(await queue.finish(again, done('{"again":1}'))).toBe(true);
      expect((await queue.results('a', { state: 'done', afterLine: 0, limit: 9 }))[0]?.text).toBe('{"again":1}');
    });

    it('keeps a lease that is renewed', async () => {
      const claimed = await claim(1);
      given.clock.advance(LEASE_MS - 1);
      expect(await queue.renew(claimed, LEASE_MS)).toBe(true);
      given.clock.advance(LEASE_MS - 1);
      expect(await queue.claim('a', { leaseMs: LEASE_MS, line: 1 })).toBeUndefined();
      expect(await queue.finish(claimed, done())).toBe(true);
    });

    it('takes a job back with what it cost and left', async () => {
      const first = await claim(1);
      expect(await queue.giveBack(first, { crashed: true, lostMs: 12.5, preempted: true, partial: 'half' })).toBe(true);
      expect(await queue.giveBack(first, notDone)).toBe(false);
      expect(await claim(1)).toMatchObject({ attempts: 2, crashes: 1, lostMs: 12.5, partial: 'half' });
    });

    it('cancels what has not ended, also what is under way', async () => {
      expect(await queue.finish(await claim(), done())).toBe(true);
      const running = await claim();
      expect(await queue.cancel('a')).toBe(2);
      expect(await queue.finish(running, done())).toBe(false);
      expect(await queue.claim('a', { leaseMs: LEASE_MS })).toBeUndefined();
      expect(await queue.open('a')).toEqual([]);
      expect(await queue.counts('a')).toEqual({ total: 3, done: 1, failed: 0 });
    });

    it('gives what nobody works on any more to the next at once', async () => {
      const lost = await claim();
      await queue.reclaim('a');
      expect(await claim()).toMatchObject({ line: lost.line, attempts: 2 });
      expect(await queue.finish(lost, done())).toBe(false);
    });

    it('gives nothing out while it is paused, and lets what is under way end', async () => {
      const running = await claim();
      await queue.pause('a');
      expect(await queue.claim('a', { leaseMs: LEASE_MS })).toBeUndefined();
      expect(await queue.finish(running, done())).toBe(true);
      await queue.resume('a');
      expect((await claim()).line).toBe(2);
    });

    it('pages through results', async () => {
      await queue.enqueue(
        'b',
        Array.from({ length: 25 }, (_, index) => job(index + 1)),
      );
      for (let count = 0; count < 25; count += 1) {
        const claimed = await queue.claim('b', { leaseMs: LEASE_MS });
        if (claimed !== undefined) await queue.finish(claimed, done(`${claimed.line}`));
      }
      const lines: number[] = [];
      for (let afterLine = 0; ; ) {
        const page = await queue.results('b', { state: 'done', afterLine, limit: 10 });
        if (page.length === 0) break;
        lines.push(...page.map(({ line }) => line));
        afterLine = page.at(-1)?.line ?? afterLine;
      }
      expect(lines).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
    });

    it('tells a planner what is left', async () => {
      expect(await queue.open('a')).toEqual([
        { line: 1, customId: 'item-1', promptChars: 51, messageCount: 1, maxTokens: undefined, model: undefined },
        { line: 2, customId: 'item-2', promptChars: 52, messageCount: 1, maxTokens: 16, model: undefined },
        { line: 3, customId: 'item-3', promptChars: 53, messageCount: 1, maxTokens: undefined, model: 'm' },
      ]);
    });

    it('tells it page by page', async () => {
      const lines = async (afterLine: number) =>
        (await queue.open('a', { afterLine, limit: 2 })).map(({ line }) => line);
      expect([await lines(0), await lines(2), await lines(3)]).toEqual([[1, 2], [3], []]);
    });

    it('cancels and forgets thousands', async () => {
      await queue.enqueue(
        'b',
        Array.from({ length: 2500 }, (_, index) => job(index + 1)),
      );
      expect(await queue.cancel('b')).toBe(2500);
      expect(await queue.open('b')).toEqual([]);
      await queue.forget('b');
      expect(await queue.claim('b', { leaseMs: LEASE_MS })).toBeUndefined();
    });

    it('forgets a batch', async () => {
      await queue.forget('a');
      expect(await queue.open('a')).toEqual([]);
      expect(await queue.claim('a', { leaseMs: LEASE_MS })).toBeUndefined();
    });

    it('has everything after its process has died', async () => {
      expect(await queue.finish(await claim(), done('{"kept":1}'))).toBe(true);
      const lost = await claim();
      const reopened = await given.reopen();
      expect(await reopened.counts('a')).toEqual({ total: 3, done: 1, failed: 0 });
      given.clock.advance(LEASE_MS);
      expect(await reopened.claim('a', { leaseMs: LEASE_MS })).toMatchObject({ line: lost.line, attempts: 2 });
    });
  });
}
