import { join } from 'node:path';
import { execa } from 'execa';
import { GatewayError } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';

/** A llama.cpp that can be used here. */
export type LlamaCpp = {
  readonly server: string;
  readonly bench: string;
  readonly version: string;
  readonly build: string;
  /** How it was found: `path`, `prefix` or `policy`. */
  readonly source: string;
};

/**
 * Runs `scripts/install-llama-cpp`, which finds llama.cpp or installs it; its progress goes to standard error.
 * Throws `runtime_missing` when it can do neither: what to install instead has then been printed.
 */
export async function installLlamaCpp({ binary }: { readonly binary?: string }): Promise<LlamaCpp> {
  const script = join(packageRoot(), 'scripts', 'install-llama-cpp');
  const args = ['--json', ...(binary === undefined ? [] : ['--binary', binary])];
  const result = await execa(script, args, { stdin: 'ignore', stderr: 'inherit', reject: false });
  if (result.exitCode !== 0) throw new GatewayError('runtime_missing', 'no llama.cpp; see above for what to do');
  return JSON.parse(result.stdout) as LlamaCpp;
}
