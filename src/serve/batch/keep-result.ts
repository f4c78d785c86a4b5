import type { Batches } from '../../batch/batches.ts';
import type { ClaimedJob, JobQueue } from '../../core/batch.ts';
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { EmitEvent } from '../../core/events.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { NO_USAGE } from '../../store/job-queue.ts';
import type { ItemEnd } from './item.ts';

/** An attempt that has ended, and how long it took, ms. */
export type Ended = { readonly end: ItemEnd; readonly tookMs: number };

/** Writes what became of an item into the queue. */
export interface ResultKeeper {
  /** Resolves once the queue has it, however long the disk is full; rejects only where the runner is closed meanwhile. */
  keep(job: ClaimedJob, model: ModelId, ended: Ended): Promise<void>;
}

/** What keeping results needs. */
export type KeeperParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly policy: () => Policy;
  readonly queue: JobQueue;
  readonly batches: Pick<Batches, 'pause'>;
};

/** A disk that was full is tried again after so long. */
const DISK_RETRY_MS = 10_000;

/** A keeper; `isClosed` says when it must not wait any longer. */
export function createResultKeeper(parts: KeeperParts, isClosed: () => boolean): ResultKeeper {
  const notice = (message: string) => parts.emit({ kind: 'gateway.notice', level: 'warn', message });
  const pause = (batch: string, reason: string | undefined): void => {
    try {
      parts.batches.pause(batch, reason);
    } catch {
      // The disk that has no room for a result has none for the reason either.
      notice(`${batch} is paused: ${reason ?? ''}`);
    }
  };
  return {
    keep: async (job, model, ended) => {
      // A result is worth hours: it stays in memory until the disk takes it.
      for (let isFirst = true; ; isFirst = false) {
        try {
          await keepOnce(parts, job, { model, ...ended });
          if (!isFirst) pause(job.batch, undefined);
          return;
        } catch (error) {
          if (isClosed()) throw error;
          pause(job.batch, messageOf(error));
          await parts.clock.sleep(DISK_RETRY_MS);
        }
      }
    },
  };
}

async function keepOnce(
  { queue, policy, emit }: KeeperParts,
  job: ClaimedJob,
  { model, end, tookMs }: Ended & { readonly model: ModelId },
): Promise<void> {
  const back = { crashed: false, lostMs: 0, preempted: false, partial: undefined };
  switch (end.kind) {
    case 'done':
      await queue.finish(job, { state: 'done', model, text: end.text, usage: end.usage, lostMs: end.lostMs });
      return;
    case 'refused':
      await queue.finish(job, { state: 'failed', model, text: end.text, usage: NO_USAGE });
      return;
    case 'preempted':
      await queue.giveBack(job, { ...back, lostMs: end.lostMs, preempted: true, partial: end.partial });
      return;
    case 'later':
      // What was there before is still good.
      await queue.giveBack(job, { ...back, partial: job.partial });
      return;
    case 'crashed': {
      const crashes = job.crashes + 1;
      if (crashes < policy().batch.crashesMax) {
        await queue.giveBack(job, { ...back, crashed: true, lostMs: tookMs });
        return;
      }
      await queue.finish(job, { state: 'failed', model, text: end.text, usage: NO_USAGE });
      const message = `${job.batch} line ${job.line} is given up: ${model} failed over it ${crashes} times (batch.crashes_max)`;
      emit({ kind: 'gateway.notice', level: 'warn', message });
    }
  }
}
