import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/core/errors.ts';
import { tierPath, writeAllTiers, writeTier } from '../src/demo/tiers.ts';
import { cacheFolder } from '../src/transport/cache-folder.ts';

const usage = `usage: npx tsx scripts/make-demo-models.ts [folder]

Writes the demo models (tiny and four tiers) as GGUF files; those already there with the same content are left alone.
The folder defaults to \${SLUICE_CACHE:-\${XDG_CACHE_HOME:-~/.cache}/sluice}/demo-models.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { help: { type: 'boolean' } }, allowPositionals: true });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const folder = positionals[0] ?? join(cacheFolder(process.env), 'demo-models');
  const report = (tier: { path: string; sizeBytes: number; written: boolean }) =>
    console.log(
      `${tier.written ? 'written' : 'present'}  ${(tier.sizeBytes / 1e6).toFixed(1).padStart(6)} MB  ${tier.path}`,
    );
  report(await writeTier('tiny', tierPath(folder, 'tiny')));
  await writeAllTiers(folder, report);
  return 0;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  console.error(`make-demo-models: ${messageOf(thrown)}`);
  process.exitCode = 1;
}
