import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type FileWatch, watchFile } from '../../src/transport/watch-file.ts';

let folder = '';
let watch: FileWatch | undefined;
let changes = 0;
let wake: () => void = () => undefined;

/** Resolves at the next change; the test's own time limit is what fails it. */
const nextChange = () => new Promise<void>((resolve) => (wake = resolve));

async function watching(name: string): Promise<string> {
  const file = join(folder, name);
  watch = watchFile(file, systemClock, () => {
    changes += 1;
    wake();
  });
  return file;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-watch-'));
  changes = 0;
});
afterEach(async () => {
  watch?.close();
  watch = undefined;
  await rm(folder, { recursive: true, force: true });
});

describe('watchFile', () => {
  it('reports a file that is written in place', async () => {
    await writeFile(join(folder, 'a.yaml'), 'one');
    const file = await watching('a.yaml');
    const change = nextChange();
    await writeFile(file, 'two!');
    await change;
    expect(changes).toBe(1);
  });

  it('goes on reporting after an editor has renamed a new file over the old one, twice', async () => {
    await writeFile(join(folder, 'a.yaml'), 'one');
    const file = await watching('a.yaml');
    for (const text of ['second', 'third one']) {
      const change = nextChange();
      await writeFile(`${file}.tmp`, text);
      await rename(`${file}.tmp`, file);
      await change;
    }
    expect(changes).toBe(2);
  });

  it('reports a file that is removed and comes back', async () => {
    await writeFile(join(folder, 'a.yaml'), 'one');
    const file = await watching('a.yaml');
    const removed = nextChange();
    await rm(file);
    await removed;
    const created = nextChange();
    await writeFile(file, 'back');
    await created;
    expect(changes).toBe(2);
  });

  it('reports nothing of other files beside it', async () => {
    await writeFile(join(folder, 'a.yaml'), 'one');
    const file = await watching('a.yaml');
    await writeFile(join(folder, 'b.yaml'), 'other');
    const change = nextChange();
    await writeFile(file, 'two!');
    await change;
    expect(changes).toBe(1);
  });
});
