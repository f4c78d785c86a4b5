import { cpSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeTier } from '../../src/demo/tiers.ts';
import { temporaryFolder } from './temporary-folder.ts';

const SYSROOTS = join(import.meta.dirname, '../fixtures/sysroots');

/**
 * A board's files in a folder of their own, with model files of the sizes given: sparse, a real head and nothing after
 * it, because gigabytes belong neither into a repository nor onto a test machine's disk.
 */
export async function copyBoard(board: string, models: Readonly<Record<string, number>> = {}): Promise<string> {
  const folder = temporaryFolder();
  cpSync(join(SYSROOTS, board), folder, { recursive: true });
  for (const [path, bytes] of Object.entries(models)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    if (path.endsWith('.gguf')) await writeTier('tiny', file);
    else writeFileSync(file, 'RKLLM');
    truncateSync(file, bytes);
  }
  return folder;
}
