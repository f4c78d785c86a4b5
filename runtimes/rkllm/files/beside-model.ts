import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { friendlyName } from '../../../src/core/names.ts';

/**
 * Reads a companion of a model file, such as `tokenizer.json`: `<stem>.<name>` first, then `<name>` in a folder called
 * `<stem>`, then plain `<name>` in the model's folder. The plain one counts only where every `.rkllm` file of the
 * folder is the same model, because a neighbour's tokenizer would count wrong without anyone noticing.
 * Undefined where there is none.
 */
export async function readBesideModel(
  modelFile: string,
  name: string,
): Promise<{ readonly path: string; readonly text: string } | undefined> {
  const folder = dirname(modelFile);
  const stem = basename(modelFile).replace(/\.rkllm$/i, '');
  const own = [join(folder, `${stem}.${name}`), join(folder, stem, name)];
  const candidates = (await holdsOneModel(folder)) ? [...own, join(folder, name)] : own;
  for (const path of candidates) {
    const text = await readFile(path, 'utf8').catch(ignoreMissing);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

async function holdsOneModel(folder: string): Promise<boolean> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  return new Set(names.filter((name) => /\.rkllm$/i.test(name)).map(friendlyName)).size <= 1;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
