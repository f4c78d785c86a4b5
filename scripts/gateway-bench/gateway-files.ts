import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeTier } from '../../src/demo/tiers.ts';

/** Environment variable that holds the API key the gateway under test asks for. */
export const KEY_ENV = 'SLUICE_BENCH_KEY';

/** How many models `decide` has to compare. */
export const MODEL_COUNT = 12;

/**
 * A policy with everything switched on: twelve models to compare, class targets, classifier rules, an API key. All
 * models share one small real GGUF file and one runtime whose program is the stand-in upstream.
 * 16 lanes and slots, because 16 clients are the load: a queue in front of a busy lane would measure waiting.
 */
export function benchPolicy(upstreamProgram: string, modelFile: string): string {
  // Only the preferred model is loaded at start: the run needs one child, and twelve would share its two processors.
  const model = (index: number) => ({
    runtime: 'llama',
    file: modelFile,
    aliases: [`size-${index + 1}`],
    quality: 0.5 + 0.03 * index,
    keep: index === 0 ? 'resident' : { idle: '15m' },
  });
  return stringify({
    version: 1,
    gateway: { host: '127.0.0.1' },
    machine: { memory: '8GB', reserve: '1GB' },
    devices: { cpu: { lanes: 16 } },
    runtimes: {
      llama: {
        kind: 'llama-server',
        device: 'cpu',
        binary: upstreamProgram,
        settings: { threads: 1, context: 4096 * 16, parallel: 16, jinja: true, reasoning_budget: 0 },
      },
    },
    models: Object.fromEntries(
      Array.from({ length: MODEL_COUNT }, (_, index) => [`bench-${index + 1}b`, model(index)]),
    ),
    classes: {
      route: { ttft: '1500ms', e2e: '6s', min_quality: 0.4 },
      interactive: { ttft: '20s', e2e: '45s', min_quality: 0.5, prefer: 'bench-1b' },
      quality: { e2e: '240s', min_quality: 0.65 },
      batch: { window: '22:00-07:00', timezone: 'UTC' },
    },
    classify: {
      rules: [
        { when: { max_tokens_lte: 32 }, class: 'route' },
        { when: { system_matches: 'title for (this|the) conversation' }, class: 'route' },
        { when: { header: { name: 'x-purpose', equals: 'background' } }, class: 'route' },
      ],
    },
    clients: [{ name: 'bench', key_env: KEY_ENV }],
  });
}

/** Writes the policy and its model into a folder; path of the policy. */
export async function writeGatewayFiles(folder: string, upstreamProgram: string): Promise<string> {
  const modelFile = join(folder, 'tiny.gguf');
  await writeTier('tiny', modelFile);
  const policyFile = join(folder, 'bench-policy.yaml');
  await writeFile(policyFile, benchPolicy(upstreamProgram, modelFile));
  return policyFile;
}
