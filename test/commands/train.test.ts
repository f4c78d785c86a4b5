import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { decodeWeights } from '../../src/classify/linear/weights-file.ts';
import { registerTrainCommand } from '../../src/commands/train.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

afterEach(() => vi.restoreAllMocks());

/** Two words of one office that the shipped corpus knows nothing of, each in many surroundings. */
function officeLabels(count: number): string {
  const things = ['kettle', 'printer', 'lathe', 'drill', 'scanner', 'projector', 'plotter', 'cutter', 'welder'];
  return Array.from({ length: count }, (_, index) => {
    // Steps of 2 and 4 through nine things: every thing comes with either word.
    const thing = `${things[(index >> 1) % 9]} and ${things[(index >> 2) % 9]} number ${index}`;
    return index % 2 === 0
      ? JSON.stringify({ text: `zorp zorp the ${thing}`, task: 'reasoning', class: 'quality' })
      : JSON.stringify({ text: `blick blick our ${thing}`, task: 'extract', class: 'route' });
  }).join('\n');
}

async function run(...words: string[]): Promise<string> {
  const said: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
  const program = new Command().exitOverride().option('--data <dir>');
  registerTrainCommand(program);
  await program.parseAsync(['train', ...words], { from: 'user' });
  return said.join('\n');
}

describe('sluice train', () => {
  it('learns the user’s own habits and writes weights that can be read', async () => {
    const folder = temporaryFolder();
    const labels = join(folder, 'mine.jsonl');
    writeFileSync(labels, officeLabels(240));
    const figures = JSON.parse(await run(labels, '--data', join(folder, 'data'), '--json'));
    expect(figures.labels).toBe(240);
    expect(figures.before.classAccuracy).toBeLessThan(0.7);
    expect(figures.after).toMatchObject({ n: 48, taskAccuracy: 1, classAccuracy: 1 });
    expect(figures.heldOut.classAccuracy).toBeGreaterThan(0.85);
    expect(decodeWeights(readFileSync(figures.file), 'own').notes).toMatchObject({ ownExamples: 192 });
    const judged = JSON.parse(await run(labels, '--data', join(folder, 'data'), '--eval', '--json'));
    expect(judged).toMatchObject({ weights: figures.file, n: 240, classAccuracy: 1 });
  }, 60_000);

  it('refuses fewer than 200 labels and says what to do instead', async () => {
    const folder = temporaryFolder();
    const labels = join(folder, 'few.jsonl');
    writeFileSync(labels, officeLabels(199));
    await expect(run(labels, '--data', folder)).rejects.toThrow(/^199 labels are too few: .*--eval/);
  });

  it('names the file and line of a label it cannot read', async () => {
    const folder = temporaryFolder();
    const labels = join(folder, 'bad.jsonl');
    writeFileSync(labels, `${officeLabels(3)}\n{"text":"x","task":"code","class":"urgent"}\n`);
    await expect(run(labels, '--data', folder)).rejects.toThrow(/bad\.jsonl:4: class: /);
    await expect(run(join(folder, 'none.jsonl'), '--data', folder)).rejects.toThrow(/none\.jsonl cannot be read/);
  });
});
