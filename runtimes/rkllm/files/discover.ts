import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GatewayError, messageOf } from '../../../src/core/errors.ts';
import { friendlyName, normalizedName } from '../../../src/core/names.ts';
import { type RkllmModelFile, readModelFile } from './model-file.ts';

/** Model files of a folder, and what could not be read as one. */
export type DiscoveredModels = {
  /** Sorted by path. */
  readonly models: readonly RkllmModelFile[];
  readonly broken: readonly { readonly path: string; readonly reason: string }[];
};

/**
 * Finds the `.rkllm` files of a folder and its subfolders. A broken file is listed, it does not hide the others.
 * Throws `model_file_missing` where the folder cannot be read.
 */
export async function discoverModels(folder: string): Promise<DiscoveredModels> {
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new GatewayError('model_file_missing', `cannot look for models in ${folder}: ${messageOf(cause)}`, { cause });
  });
  const paths = names.filter((name) => /\.rkllm$/i.test(name)).map((name) => join(folder, name));
  const models: RkllmModelFile[] = [];
  const broken: { path: string; reason: string }[] = [];
  for (const path of paths.toSorted()) {
    try {
      models.push(await readModelFile(path));
    } catch (error) {
      broken.push({ path, reason: messageOf(error) });
    }
  }
  return { models, broken };
}

/**
 * The models a name means: the file with exactly this path or file name, else those with this normalised name, else
 * those with this friendly name. Empty where there is none; more than one where a friendly name is ambiguous.
 */
export function findModels(models: readonly RkllmModelFile[], name: string): readonly RkllmModelFile[] {
  const ways: readonly ((model: RkllmModelFile) => boolean)[] = [
    ({ path }) => path === name || basename(path) === name,
    ({ path }) => normalizedName(path) === normalizedName(name),
    ({ path, facts }) => {
      const wanted = normalizedName(name);
      return friendlyName(path) === wanted || (facts.model !== undefined && normalizedName(facts.model) === wanted);
    },
  ];
  for (const isMeant of ways) {
    const found = models.filter(isMeant);
    if (found.length > 0) return found;
  }
  return [];
}
