import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeWeights, encodeWeights } from '../../src/classify/linear/weights-file.ts';
import { systemClock } from '../../src/core/clock.ts';
import { openClassifierWeights, shippedWeightsFile } from '../../src/transport/classifier-weights.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const shipped = shippedWeightsFile();

/** Weights of a data directory, and a promise of the next notice. */
function opened(folder: string) {
  const heard: string[] = [];
  let wake: (message: string) => void = () => undefined;
  const weights = openClassifierWeights(folder, {
    clock: systemClock,
    onNotice: (level, message) => {
      heard.push(`${level} ${message}`);
      wake(message);
    },
  });
  onTestFinished(() => weights.close());
  const nextNotice = () =>
    new Promise<string>((resolve) => {
      wake = resolve;
    });
  return { weights, heard, nextNotice };
}

function writeOwn(folder: string, examples: number): void {
  const stored = decodeWeights(readFileSync(shipped), shipped);
  const file = join(folder, 'classifier.bin');
  writeFileSync(`${file}.new`, encodeWeights({ ...stored, notes: { ...stored.notes, examples, ownExamples: 200 } }));
  renameSync(`${file}.new`, file);
}

describe('openClassifierWeights', () => {
  it('gives the package’s weights where the data directory has none', () => {
    const { weights, heard } = opened(temporaryFolder());
    expect(weights.status()).toMatchObject({ source: 'package', error: undefined, notes: { ownExamples: 0 } });
    expect(weights.current()).toBeDefined();
    expect(heard).toEqual([]);
  });

  it('prefers the data directory’s, follows a new file, and goes back when it is deleted', async () => {
    const folder = temporaryFolder();
    writeOwn(folder, 1);
    const { weights, nextNotice } = opened(folder);
    expect(weights.status().notes?.examples).toBe(1);
    let noticed = nextNotice();
    writeOwn(folder, 2);
    expect(await noticed).toMatch(/now from .*classifier\.bin/);
    expect(weights.status().notes?.examples).toBe(2);
    noticed = nextNotice();
    rmSync(join(folder, 'classifier.bin'));
    expect(await noticed).toBe('classifier weights now from package');
    expect(weights.status().source).toBe('package');
  });

  it('keeps what is in force when a broken file comes, and says why', async () => {
    const folder = temporaryFolder();
    writeOwn(folder, 7);
    const { weights, nextNotice } = opened(folder);
    const before = weights.current();
    const noticed = nextNotice();
    writeFileSync(join(folder, 'classifier.bin'), 'half of a f');
    expect(await noticed).toMatch(/is not a file of classifier weights/);
    expect(weights.current()).toBe(before);
    expect(weights.status().error).toMatch(/sluice train/);
  });

  it('starts with the package’s weights where the own file is broken', () => {
    const folder = temporaryFolder();
    copyFileSync('package.json', join(folder, 'classifier.bin'));
    const { weights, heard } = opened(folder);
    expect(weights.current()).toBeDefined();
    expect(weights.status().source).toBe('package');
    expect(heard).toHaveLength(1);
  });
});
