import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GatewayError } from '../../../src/core/errors.ts';
import { packageRoot } from '../../../src/core/package-root.ts';

/**
 * Compiles the simulator of librkllmrt for a runtime version and gives the library's path; one that was built before
 * is taken from the cache folder. Rejects with `runtime_missing` and the compiler's words where that does not work.
 */
export async function buildSimulator(version: string, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const script = join(packageRoot(), 'runtimes', 'rkllm', 'simulator', 'build');
  try {
    const { stdout } = await promisify(execFile)(script, ['--version', version], { env: environment });
    return stdout.trim();
  } catch (cause) {
    const said = (cause as { readonly stderr?: string }).stderr?.trim() ?? '';
    throw new GatewayError('runtime_missing', `the RKLLM simulator ${version} could not be built: ${said}`, { cause });
  }
}
