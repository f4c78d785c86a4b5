import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatStandIn } from '../../../runtimes/rkllm/files/model-file.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import type { ProbeSetup } from '../../../scripts/board-checks/probe-types.ts';
import { holdModel, runProbe } from '../../../scripts/board-checks/run-probe.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

async function setup(): Promise<ProbeSetup> {
  const modelFile = join(temporaryFolder(), 'm.rkllm');
  writeFileSync(modelFile, formatStandIn({ model: 'qwen3-0.6b', contextTokens: 512, npuCores: 3, soc: 'rk3588' }));
  return { library: await buildSimulator('1.3.0'), profile: '1.3', modelFile, contextTokens: 512, domainId: 0 };
}

describe('runProbe', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('gives the finding and what the library printed', async () => {
    const outcome = await runProbe('load', await setup(), 60_000);
    expect(outcome).toMatchObject({ kind: 'done', finding: { verdict: 'pass' } });
    expect(outcome.log.some((line) => line.includes('rkllm-runtime version: 1.3.0'))).toBe(true);
  }, 60_000);

  it.each([
    ['run:segv', 'SIGSEGV'],
    ['run:abort', 'SIGABRT'],
  ])(
    '%s is a crash by %s',
    async (fault, signal) => {
      vi.stubEnv('RKLLM_SIM_FAULT', fault);
      expect(await runProbe('generate', await setup(), 60_000)).toMatchObject({ kind: 'crashed', how: signal });
    },
    60_000,
  );

  it('a hang ends at the limit', async () => {
    vi.stubEnv('RKLLM_SIM_FAULT', 'init:hang');
    expect(await runProbe('load', await setup(), 2000)).toMatchObject({ kind: 'hung', afterMs: 2000 });
  }, 60_000);

  it('a refused load is a failure with the library’s words', async () => {
    const missing = { ...(await setup()), modelFile: '/nowhere/m.rkllm' };
    const outcome = await runProbe('load', missing, 60_000);
    expect(outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('/nowhere/m.rkllm') });
  }, 60_000);

  it('callbacks on another thread hang the main one', async () => {
    vi.stubEnv('RKLLM_SIM_THREAD', 'foreign');
    expect(await runProbe('callback-thread', await setup(), 4000)).toMatchObject({ kind: 'hung' });
  }, 60_000);
});

describe('holdModel', () => {
  it('keeps the model until it is killed', async () => {
    const holder = await holdModel(await setup(), 60_000);
    expect(holder.failed).toBeUndefined();
    await holder.kill();
  }, 60_000);

  it('says how the load failed', async () => {
    const holder = await holdModel({ ...(await setup()), modelFile: '/nowhere' }, 60_000);
    expect(holder.failed).toMatchObject({ kind: 'failed', message: expect.stringContaining('/nowhere') });
    await holder.kill();
  }, 60_000);
});
