import type { CancelTimer, Clock } from '../core/clock.ts';
import type { Learner } from '../learn/learner.ts';
import type { Store } from './open-store.ts';

/** Gap between two savings: what a crash may lose, beside the half second rows wait in the write buffer. */
const SAVE_EVERY_MS = 2_000;

/**
 * Saves what a learner has learned, every two seconds while there is something new and once when it is closed. Only what
 * changed is written: a handful of rows of some kB.
 */
export function keepLearned(
  learner: Pick<Learner, 'takeChanged'>,
  store: Pick<Store, 'recordLearned'>,
  clock: Clock,
): { readonly close: () => void } {
  let cancelTimer: CancelTimer | undefined;
  const save = () => {
    const rows = learner.takeChanged();
    if (rows.length > 0) store.recordLearned(rows);
  };
  const again = () => {
    cancelTimer = clock.after(SAVE_EVERY_MS, () => {
      again();
      save();
    });
  };
  again();
  return {
    close: () => {
      cancelTimer?.();
      save();
    },
  };
}
