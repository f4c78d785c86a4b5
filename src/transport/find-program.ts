import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { cacheFolder } from './cache-folder.ts';

/**
 * Absolute path of a program: as it is when the name holds a slash, else the first hit on PATH, else the prefix that
 * `scripts/install-llama-cpp` fills. Undefined when there is none that may be executed.
 */
export function findProgram(name: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (name.includes('/')) return isProgram(resolve(name)) ? resolve(name) : undefined;
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  folders.push(join(cacheFolder(environment), 'llama.cpp', 'bin'));
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not for us: the caller says what is missing.
    return false;
  }
}
