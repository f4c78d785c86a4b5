import { isEnded } from '../core/batch.ts';
import type { Clock } from '../core/clock.ts';
import type { BatchAnswer, BatchApi } from './batch-api.ts';
import { isAway } from './batch-api.ts';
import { watchLine } from './batch-view.ts';
import type { StatusLine } from './status-line.ts';

/** What following a batch needs. */
export type WatchParts = {
  readonly clock: Clock;
  readonly line: StatusLine;
  /** Aborted by whoever does not want to look any longer. */
  readonly signal: AbortSignal;
};

const LOOK_EVERY_MS = 1_000;

/**
 * Shows how a batch goes until it has ended, and returns it then; undefined where somebody stopped looking, which does
 * not touch the batch. A gateway that goes away is waited for: batches outlive it. Throws what the first look throws,
 * and later what the gateway itself refuses with.
 */
export async function watchBatch(
  api: BatchApi,
  first: BatchAnswer,
  { clock, line, signal }: WatchParts,
): Promise<BatchAnswer | undefined> {
  let batch: BatchAnswer | undefined = first;
  for (;;) {
    if (batch !== undefined) {
      if (isEnded(batch.status)) {
        line.clear();
        return batch;
      }
      const { text, key } = watchLine(batch, clock.nowMs());
      line.show(text, key);
    }
    if (!(await slept(clock, signal))) {
      line.clear();
      return undefined;
    }
    batch = await look(api, first.id);
    if (batch === undefined) line.show(`${first.id}: ${api.url} does not answer; waiting for it to come back`, 'away');
  }
}

async function look(api: BatchApi, id: string): Promise<BatchAnswer | undefined> {
  try {
    return await api.batch(id);
  } catch (error) {
    if (isAway(error)) return undefined;
    throw error;
  }
}

// False where it was woken by the signal.
async function slept(clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(LOOK_EVERY_MS, signal);
    return true;
  } catch {
    return false;
  }
}
