import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLibrary, type RunCall } from '../../../runtimes/rkllm/abi/open-library.ts';
import { loadEngine } from '../../../runtimes/rkllm/engine.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { VERSIONS, writeStandIn } from './npu-bed.ts';

// The library in this process, and no worker: what is thrown here is thrown inside a callback from C.

const CALL: RunCall = {
  mode: 'generate',
  prompt: 'hello',
  role: 'user',
  enableThinking: false,
  keepHistory: false,
  lora: undefined,
  savePromptCache: undefined,
  sampling: undefined,
  maxNewTokens: undefined,
};

const THROWS = () => {
  throw new Error('thrown in a callback');
};

describe.each(VERSIONS)('an exception in a callback of runtime %s', (version) => {
  const profile = version === '1.2.3' ? '1.2' : '1.3';
  const standIn = () => writeStandIn(join(temporaryFolder(), 'm.rkllm'), { repeat: 500, decode_ms: 5 });

  it('fails the run, ends it in the library, and leaves the model usable', async () => {
    const load = {
      kind: 'load',
      library: await buildSimulator(version),
      profile,
      runtimeVersion: version,
      modelFile: standIn(),
      modelName: undefined,
      template: 'qwen3',
      contextTokens: 4096,
      sampling: {},
      cpuMask: undefined,
      embedFlash: undefined,
      baseDomainId: undefined,
      lora: {},
      npuLock: undefined,
      promptCache: undefined,
    } as const;
    const engine = await loadEngine(load, systemClock);
    onTestFinished(async () => {
      await engine.handle.destroy();
    });
    const beganMs = systemClock.monotonicMs();
    await expect(engine.run(CALL, { onText: THROWS })).rejects.toMatchObject({
      code: 'runtime_failed',
      message: expect.stringContaining('thrown in a callback'),
    });
    // 500 words 5 ms apart would take longer than this.
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(2_000);
    let text = '';
    const onText = (bytes: Buffer) => {
      text += bytes.toString();
      if (text.length > 20) engine.abort();
    };
    expect(await engine.run(CALL, { onText })).toMatchObject({ aborted: true });
    expect(text).toMatch(/^Hello from/);
  });

  it('does not pass through the library even where whoever is told of it throws again', async () => {
    const library = openLibrary(await buildSimulator(version), profile);
    const handle = await library.init({ model_path: writeStandIn(join(temporaryFolder(), 'm.rkllm')) });
    expect(await handle.run(CALL, THROWS)).toBe(0);
    await handle.destroy();
  });
});
