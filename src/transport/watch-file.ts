import { basename, dirname, join, resolve } from 'node:path';
import { watch } from 'chokidar';

/** A running watch. */
export type FileWatch = {
  /** Resolves once changes are seen; rejects never. What changed before then is not reported. */
  readonly ready: Promise<void>;
  /** Stops watching; resolves when the system's handles are released. */
  close(): Promise<void>;
};

/** A write counts as done when the size has stood still this long: editors write in several steps. */
const STABLE_MS = 100;

/**
 * Calls `onChange` after a file was written, replaced, removed or created again. It watches the file's folder and not
 * the file, because many editors save by renaming a new file over the old one, and a watch on the old file would then
 * watch nothing. Several writes within 100 ms are one change; failures of the watch itself go to `onError`.
 */
export function watchFile(
  path: string,
  onChange: () => void,
  onError: (cause: unknown) => void = () => undefined,
): FileWatch {
  const folder = dirname(resolve(path));
  const file = join(folder, basename(path));
  const watcher = watch(folder, {
    depth: 0,
    ignored: (candidate) => candidate !== folder && candidate !== file,
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: 20 },
  });
  const ready = new Promise<void>((done) => watcher.once('ready', () => done()));
  watcher.on('add', onChange).on('change', onChange).on('unlink', onChange).on('error', onError);
  return { ready, close: () => watcher.close() };
}
