import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemPageCache } from '../../src/bench/page-cache.ts';
import { systemClock } from '../../src/core/clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** A file of 8 MiB that is on the disk, so that its pages are clean and may be dropped. */
function bigFile(): string {
  const file = join(temporaryFolder(), 'weights');
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, Buffer.alloc(8 * 2 ** 20, 7));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return file;
}

describe('systemPageCache', () => {
  test('a file that was just written is resident until it is dropped', async () => {
    const file = bigFile();
    expect(await systemPageCache.residentShare(file)).toBe(1);
    expect(await systemPageCache.drop(file)).toBe(true);
    expect(await systemPageCache.residentShare(file)).toBe(0);
  });

  test('reads from storage with a rate above that of an SD card, and the file is resident again', async () => {
    const file = bigFile();
    expect(await systemPageCache.readBytesPerSec(file, () => systemClock.monotonicMs())).toBeGreaterThan(1e6);
    expect(await systemPageCache.residentShare(file)).toBe(1);
  });

  test('a file that is not there has no share and cannot be dropped', async () => {
    expect(await systemPageCache.residentShare('/nowhere/weights')).toBeUndefined();
    expect(await systemPageCache.drop('/nowhere/weights')).toBe(false);
  });
});
