import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatStandIn } from '../../runtimes/rkllm/files/model-file.ts';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { type DemoPolicyOptions, NPU_TIER_ID } from '../demo/demo-policy.ts';

/** Version the simulated library says it is; of the newer binary interface. */
const RUNTIME_VERSION = '1.3.0';

/**
 * What the simulated NPU does. Its speeds are the published figures of qwen3-1.7b-w8a8 on an RK3588 (TTFT 294.43 ms,
 * read as that of 128 tokens, and 8.95 tok/s; see bench-results/README.md), two hundred times faster, because the
 * demo's CPU tiers are about as much faster than the models they stand for.
 */
const BEHAVIOUR = `ttft_ms=294.43
tokens_per_s=8.95
scale=0.005
answer=I| am| the| SIMULATED| NPU| tier|:| a| real| worker| process|,| a| library| that| only| pretends|.
`;

/**
 * Builds the simulated NPU library and writes its stand-in model into a folder; both are kept for the next time.
 * Rejects with `runtime_missing` where there is no compiler.
 */
export async function prepareNpuTier(modelFolder: string): Promise<NonNullable<DemoPolicyOptions['npu']>> {
  const library = await buildSimulator(RUNTIME_VERSION);
  const facts = { model: NPU_TIER_ID, contextTokens: 1024, npuCores: 3, soc: 'rk3588', dtype: 'w8a8' };
  const text = formatStandIn({ ...facts, toolkitVersion: RUNTIME_VERSION }) + BEHAVIOUR;
  const file = join(modelFolder, `${NPU_TIER_ID}.rkllm`);
  await mkdir(modelFolder, { recursive: true });
  // Not rewritten in vain: another demo may be reading it.
  if ((await readFile(file, 'utf8').catch(() => undefined)) !== text) await writeFile(file, text);
  return { library, file };
}
