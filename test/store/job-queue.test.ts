import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NO_USAGE } from '../../src/store/job-queue.ts';
import { openStore } from '../../src/store/open-store.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { describeJobQueue } from '../helpers/job-queue-contract.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const batch = (id: string) => ({
  id,
  client: 'anonymous',
  status: 'in_progress' as const,
  times: { createdMs: 1 },
  request: {
    endpoint: '/v1/chat/completions' as const,
    inputFile: 'file-1',
    completionWindow: '24h',
    metadata: undefined,
    outputLifeMs: undefined,
    when: { kind: 'now' as const },
    deadlineMs: 2,
    hasDeadline: false,
    model: undefined,
    minQuality: 0,
  },
});

describeJobQueue('SQLite', async () => {
  const clock = fakeClock();
  const file = join(temporaryFolder(), 'sluice.db');
  const open = () => {
    const store = openStore(file, { clock });
    onTestFinished(() => store.close());
    return store;
  };
  const store = open();
  return {
    queue: store.jobs,
    clock,
    addBatch: (id) => store.batches.addBatch(batch(id)),
    reopen: async () => open().jobs,
  };
});

describe('a full disk', () => {
  it('leaves a job and its counters as they were', async () => {
    const clock = fakeClock();
    const store = openStore(join(temporaryFolder(), 'sluice.db'), { clock, pagesMax: 60 });
    onTestFinished(() => store.close());
    store.batches.addBatch(batch('a'));
    const job = {
      line: 1,
      customId: 'x',
      offset: 0,
      length: 1,
      promptChars: 1,
      messageCount: 1,
      maxTokens: undefined,
      model: undefined,
    };
    await store.jobs.enqueue('a', [job]);
    const claimed = await store.jobs.claim('a', { leaseMs: 1000 });
    if (claimed === undefined) throw new Error('nothing to claim');
    const result = { state: 'done' as const, model: undefined, usage: NO_USAGE };
    await expect(store.jobs.finish(claimed, { ...result, text: 'x'.repeat(1_000_000) })).rejects.toMatchObject({
      code: 'disk_full',
    });
    expect(await store.jobs.counts('a')).toEqual({ total: 1, done: 0, failed: 0 });
    expect(await store.jobs.finish(claimed, { ...result, text: 'small' })).toBe(true);
    expect(store.batches.batch('a')?.counts).toEqual({ total: 1, done: 1, failed: 0 });
  });
});
