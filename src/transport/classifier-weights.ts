/**
 * Where the classifier's weights come from: the user's own, written by `sluice train` into the data directory, else the
 * ones that came with the package. They are read when the first request needs them, so that a start does not wait; a new
 * file in the data directory takes the old one's place within a second, and a broken one changes nothing but `status`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeWeights, type StoredModel, type TrainingNotes } from '../classify/linear/weights-file.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';
import { watchFile } from './watch-file.ts';

/** Name of the user's own weights inside the data directory. */
export const OWN_WEIGHTS_NAME = 'classifier.bin';

/** The weights in the package. */
export const shippedWeightsFile = (): string => join(packageRoot(), 'src/classify/linear/weights.bin');

/** What `status` says about the weights. */
export type WeightsStatus = {
  /** `package`, or the path of the user's own file. */
  readonly source: string;
  readonly notes: TrainingNotes | undefined;
  /** Why the file in the data directory is not in force; undefined when there is none or it is. */
  readonly error: string | undefined;
};

/** The weights in force and the watch on the user's own. */
export interface ClassifierWeights {
  /** Undefined only where not even the package's weights can be read. */
  current(): StoredModel | undefined;
  status(): WeightsStatus;
  close(): void;
}

/** Follows the weights of a data directory. `onNotice` hears of files that cannot be used and of new ones. */
export function openClassifierWeights(
  dataDir: string,
  deps: { readonly clock: Clock; readonly onNotice: (level: 'info' | 'warn', message: string) => void },
): ClassifierWeights {
  const ownFile = join(dataDir, OWN_WEIGHTS_NAME);
  let loaded: StoredModel | undefined;
  let source = 'package';
  let isRead = false;
  let error: string | undefined;

  const readFrom = (file: string): StoredModel | undefined => {
    try {
      return decodeWeights(readFileSync(file), file);
    } catch (thrown) {
      error = messageOf(thrown);
      deps.onNotice('warn', `classifier weights: ${error}`);
      return undefined;
    }
  };
  const read = () => {
    isRead = true;
    error = undefined;
    const own = existsSync(ownFile) ? readFrom(ownFile) : undefined;
    if (own !== undefined) [loaded, source] = [own, ownFile];
    // A broken file leaves in force what was; with nothing in force, or the user's own gone, the package's are.
    else if (loaded === undefined || error === undefined)
      [loaded, source] = [readFrom(shippedWeightsFile()), 'package'];
  };
  const watch = watchFile(ownFile, deps.clock, () => {
    if (!isRead) return;
    read();
    if (error === undefined) deps.onNotice('info', `classifier weights now from ${source}`);
  });
  return {
    current: () => {
      if (!isRead) read();
      return loaded;
    },
    status: () => {
      if (!isRead) read();
      return { source, notes: loaded?.notes, error };
    },
    close: () => watch.close(),
  };
}
