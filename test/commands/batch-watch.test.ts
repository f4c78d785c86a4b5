import { describe, expect, it } from 'vitest';
import type { BatchAnswer, BatchApi } from '../../src/commands/batch-api.ts';
import { watchBatch } from '../../src/commands/batch-watch.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { batchAnswer } from '../helpers/batch-answer.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const away = new GatewayError('runtime_failed', 'cannot ask', { cause: new Error('ECONNREFUSED') });
const refused = new GatewayError('runtime_failed', 'answered 404: no such batch');

/** Watches a batch of which the gateway says one thing after the other, a second between them. */
async function watch(answers: readonly (BatchAnswer | GatewayError)[]) {
  const clock = fakeClock();
  const shown: string[] = [];
  const stop = new AbortController();
  let asked = 0;
  const api = {
    url: 'http://gateway',
    batch: async () => {
      const answer = answers[asked];
      asked += 1;
      if (answer === undefined) throw new Error('asked too often');
      if (answer instanceof GatewayError) throw answer;
      return answer;
    },
  } as unknown as BatchApi;
  const line = { show: (text: string) => void shown.push(text), say: () => undefined, clear: () => undefined };
  const end = watchBatch(api, batchAnswer(), { clock, line, signal: stop.signal });
  // Looked at by the test below, after the ticks in which it may reject.
  end.catch(() => undefined);
  for (let look = 0; look < answers.length; look += 1) {
    clock.advance(1000);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  stop.abort();
  return { end, shown };
}

const done = batchAnswer({ status: 'completed', request_counts: { total: 60, completed: 60, failed: 0 } });
const half = batchAnswer({ request_counts: { total: 60, completed: 30, failed: 0 } });

describe('watchBatch', () => {
  it('shows every look and returns the end', async () => {
    const { end, shown } = await watch([half, done]);
    expect(await end).toBe(done);
    expect(shown).toHaveLength(2);
    expect(shown[1]).toContain('30 of 60 (50 %)');
  });

  it('waits for a gateway that is away', async () => {
    const { end, shown } = await watch([away, away, done]);
    expect(await end).toBe(done);
    expect(shown[1]).toBe('batch_1: http://gateway does not answer; waiting for it to come back');
  });

  it('ends with what the gateway refuses', async () => {
    const { end } = await watch([refused]);
    await expect(end).rejects.toBe(refused);
  });

  it('ends when somebody does not want to look any longer', async () => {
    const { end } = await watch([half]);
    expect(await end).toBeUndefined();
  });
});
