import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** How to run the worker beside this file: Node itself when built, through tsx when run from source. */
export function workerCommand(): readonly [string, ...string[]] {
  const isSource = import.meta.url.endsWith('.ts');
  const worker = join(import.meta.dirname, isSource ? 'worker.ts' : 'worker.js');
  if (!isSource) return [process.execPath, worker];
  // Node 20 cannot read TypeScript; whoever runs from source has the development tools.
  const loader = createRequire(import.meta.url).resolve('tsx');
  return [process.execPath, '--import', pathToFileURL(loader).href, worker];
}
