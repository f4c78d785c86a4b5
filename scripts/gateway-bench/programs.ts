import { join } from 'node:path';
import { execa } from 'execa';
import { GatewayError } from '../../src/core/errors.ts';

/** The two C programs, compiled. */
export type Programs = {
  /** Stand-in for llama-server. */
  readonly upstream: string;
  /** Load generator. */
  readonly load: string;
};

/** Compiles the C programs into a folder, in about a second. Throws `start_failed` with the compiler's words. */
export async function compilePrograms(folder: string): Promise<Programs> {
  const [upstream, load] = await Promise.all([compile('upstream', folder), compile('load', folder)]);
  return { upstream, load };
}

async function compile(name: string, folder: string): Promise<string> {
  const output = join(folder, name);
  const source = join(import.meta.dirname, `${name}.c`);
  const result = await execa('gcc', ['-O2', '-o', output, source], { reject: false });
  if (result.failed) {
    const what = result.code === 'ENOENT' ? 'gcc is not installed (apt install gcc libc6-dev)' : result.stderr;
    throw new GatewayError('start_failed', `cannot compile ${source}: ${what}`);
  }
  return output;
}
