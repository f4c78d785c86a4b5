import { chmodSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLlamaServerAdapter } from '../../../runtimes/llama-server/adapter.ts';
import type { GatewayEvent } from '../../../src/core/events.ts';
import { runtimeId } from '../../../src/core/ids.ts';
import type { RuntimePolicy, RuntimeSettings } from '../../../src/core/policy.ts';
import { writeTier } from '../../../src/demo/tiers.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/llama-server');

/** A folder with a tiny real model and a program that has llama-server's help and version and nothing else. */
async function setUp(given: { readonly cpus?: readonly number[] } = {}) {
  const folder = temporaryFolder();
  const binary = join(folder, 'llama-server');
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo 'version: 0.7.0 (build 11669, commit Debian)'; else cat ${FIXTURES}/help-11669.txt; fi\n`;
  writeFileSync(binary, script);
  chmodSync(binary, 0o755);
  const file = join(folder, 'tiny.gguf');
  await writeTier('tiny', file);
  const events: GatewayEvent[] = [];
  const adapter = createLlamaServerAdapter({
    clock: fakeClock(),
    cpus: given.cpus ?? [0, 1],
    environment: { PATH: process.env['PATH'], SLUICE_CACHE: join(folder, 'cache') },
    emit: (event) => events.push(event),
  });
  const runtime: RuntimePolicy = {
    id: runtimeId('llama'),
    kind: 'llama-server',
    device: 'cpu',
    binary,
    benchBinary: undefined,
    library: undefined,
    settings: {},
  };
  const model = (settings: RuntimeSettings = {}) => modelPolicy('tiny', { file, settings });
  return { adapter, runtime, model, file, binary, events };
}

describe('inspect', () => {
  it('finds a model and a program that fit together available, with facts of the file', async () => {
    const { adapter, runtime, model } = await setUp();
    const { availability, facts, runtimeVersion } = await adapter.inspect(model({ context: 1024 }), runtime);
    expect(availability).toEqual({ kind: 'available' });
    expect(runtimeVersion).toBe('0.7.0 (build 11669)');
    expect(facts).toMatchObject({ architecture: 'llama', quantization: 'F32', contextTokens: 1024 });
    expect(facts?.capabilities).toMatchObject({ tools: true, jsonSchema: true, vision: false, embeddings: false });
  });

  it('counts more memory for more context, and for a larger type of KV cache', async () => {
    const { adapter, runtime, model } = await setUp();
    const bytes = async (settings: RuntimeSettings) =>
      (await adapter.inspect(model(settings), runtime)).facts?.estimatedMemoryBytes ?? 0;
    const [small, large] = [await bytes({ context: 1024 }), await bytes({ context: 2048 })];
    const quantized = await bytes({ context: 2048, cacheTypeK: 'q8_0', cacheTypeV: 'q8_0' });
    expect(large).toBeGreaterThan(small);
    expect(quantized).toBeLessThan(large);
    // One layer, one K and one V row of 64 elements per token in f16.
    expect(large - small).toBe(1024 * (64 + 64) * 2);
  });

  it('divides the context among the slots and cuts it at what the model was trained for', async () => {
    const { adapter, runtime, model } = await setUp();
    const tokens = async (settings: RuntimeSettings) =>
      (await adapter.inspect(model(settings), runtime)).facts?.contextTokens;
    expect(await tokens({ context: 4096, parallel: 4 })).toBe(1024);
    expect(await tokens({ context: 10_000_000 })).toBe(await tokens({}));
  });

  it("lets the operator's word on capabilities stand over its own", async () => {
    const { adapter, runtime, model } = await setUp();
    const declared = { ...model({ jinja: false }), capabilities: { vision: true } };
    expect((await adapter.inspect(declared, runtime)).facts?.capabilities).toMatchObject({
      tools: false,
      vision: true,
    });
  });

  it('names a missing file and what to do, and sees it when it comes', async () => {
    const { adapter, runtime, model, file } = await setUp();
    rmSync(file);
    const { availability } = await adapter.inspect(model(), runtime);
    expect(availability).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining(file),
      remedy: 'put the file there or correct models.tiny.file',
    });
    await writeTier('tiny', file);
    expect((await adapter.inspect(model(), runtime)).availability.kind).toBe('available');
  });

  it('tells a file that was cut short', async () => {
    const { adapter, runtime, model, file } = await setUp();
    await adapter.inspect(model(), runtime);
    truncateSync(file, 100_000);
    const { availability } = await adapter.inspect(model(), runtime);
    expect(availability).toMatchObject({ kind: 'unavailable', remedy: 'copy or download it again' });
  });

  it('names a vision projector that is missing', async () => {
    const { adapter, runtime, model } = await setUp();
    const { availability } = await adapter.inspect(model({ mmproj: '/nowhere/vision.gguf' }), runtime);
    expect(availability).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('/nowhere/vision.gguf'),
    });
  });

  it('names a program that is missing and how to get it, and still tells the facts of the file', async () => {
    const { adapter, runtime, model } = await setUp();
    const { availability, facts } = await adapter.inspect(model(), { ...runtime, binary: 'no-such-llama-server' });
    expect(availability).toMatchObject({
      kind: 'unavailable',
      reason: 'runtime llama: no program no-such-llama-server was found',
      remedy: 'run scripts/install-llama-cpp, or name your own build in runtimes.llama.binary',
    });
    expect(facts).toBeDefined();
  });

  it('says that none of the CPUs named exists', async () => {
    const { adapter, runtime, model } = await setUp();
    const { availability } = await adapter.inspect(model({ cpus: [6, 7] }), runtime);
    expect(availability).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('none of the CPUs 6-7 exists, this machine has 0-1'),
    });
  });
});

describe('launch', () => {
  it('fits the CPUs to the machine and says so once', async () => {
    const { adapter, runtime, model, binary, events } = await setUp();
    for (let round = 0; round < 2; round += 1) {
      const plan = await adapter.launch(model({ cpus: [0, 1, 2, 3] }), runtime, { port: 1, apiKey: 'k' });
      expect([plan.command, ...plan.args].slice(0, 4)).toEqual(['taskset', '-c', '0-1', binary]);
    }
    expect(events).toEqual([
      { kind: 'gateway.notice', level: 'warn', message: 'cpus 0-3: this machine has only 0-1, so 0-1 is used' },
    ]);
  });

  it('says nothing where all CPUs exist', async () => {
    const { adapter, runtime, model, events } = await setUp({ cpus: [0, 1, 2, 3, 4, 5, 6, 7] });
    const plan = await adapter.launch(model({ cpus: [4, 5, 6, 7] }), runtime, { port: 1, apiKey: 'k' });
    expect(plan.args.slice(0, 2)).toEqual(['-c', '4-7']);
    expect(events).toEqual([]);
  });
});
