import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Where boards keep librkllmrt.so when the system loader has not been told. */
const FOLDERS = ['/usr/lib', '/usr/local/lib', '/usr/lib/aarch64-linux-gnu', '/lib', '/opt/rkllm/lib'];

/**
 * Path of the library: an absolute one as it is, a bare name looked for in LD_LIBRARY_PATH and the usual folders.
 * Undefined where it is not there. The file itself is needed before it is loaded, because it holds the version.
 */
export function findLibrary(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined;
  const told = (environment['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => folder !== '');
  return [...told, ...FOLDERS].map((folder) => join(folder, name)).find((path) => existsSync(path));
}
