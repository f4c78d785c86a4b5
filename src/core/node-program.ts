import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Command and arguments that run a program of this package: `folder/name.js` by Node itself where the package is built,
 * `folder/name.ts` through tsx where it runs from source. `flags` are Node's own.
 */
export function nodeProgram(
  folder: string,
  name: string,
  flags: readonly string[] = [],
): readonly [string, ...string[]] {
  if (!import.meta.url.endsWith('.ts')) return [process.execPath, ...flags, join(folder, `${name}.js`)];
  // Node 20 cannot read TypeScript; whoever runs from source has the development tools.
  const loader = createRequire(import.meta.url).resolve('tsx');
  return [process.execPath, ...flags, '--import', pathToFileURL(loader).href, join(folder, `${name}.ts`)];
}
