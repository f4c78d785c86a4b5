import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tierPath, writeAllTiers, writeTier } from '../src/demo/tiers.ts';
import { cacheFolder } from '../src/transport/cache-folder.ts';

const installer = join(import.meta.dirname, '..', 'scripts', 'install-llama-cpp');

/**
 * Gets the real parts of the end-to-end tests ready, once: a llama.cpp (`SLUICE_TEST_LLAMA_SERVER`,
 * `SLUICE_TEST_LLAMA_BENCH`) and the demo models (`SLUICE_TEST_MODELS`, a folder of `<tier>.gguf`). The test processes
 * inherit the variables. What is missing stops the run: a test never skips because of it.
 */
export async function setup(): Promise<void> {
  const { server, bench } = await installLlamaCpp();
  const models = join(cacheFolder(process.env), 'demo-models');
  await writeTier('tiny', tierPath(models, 'tiny'));
  await writeAllTiers(models);
  process.env['SLUICE_TEST_LLAMA_SERVER'] = server;
  process.env['SLUICE_TEST_LLAMA_BENCH'] = bench;
  process.env['SLUICE_TEST_MODELS'] = models;
}

async function installLlamaCpp(): Promise<{ server: string; bench: string }> {
  try {
    const { stdout } = await promisify(execFile)(installer, ['--json']);
    return JSON.parse(stdout) as { server: string; bench: string };
  } catch (thrown) {
    const stderr = (thrown as { stderr?: string }).stderr ?? '';
    throw new Error(`the end-to-end tests need llama.cpp; run scripts/install-llama-cpp. It said:\n${stderr}`, {
      cause: thrown,
    });
  }
}
