import { utimesSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import type { ModelPolicy, Policy } from '../../src/core/policy.ts';
import { createHttpApp } from '../../src/http/app.ts';
import type { HttpParts } from '../../src/http/parts.ts';
import type { SupervisedModel } from '../../src/supervise/supervisor-types.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 12);

const supervised = (given: Partial<SupervisedModel> = {}): SupervisedModel =>
  ({
    availability: { kind: 'available' },
    facts: modelFacts(),
    residency: { kind: 'stopped' },
    memoryBytes: 3_000_000_000,
    ...given,
  }) as SupervisedModel;

type Known = { readonly model: ModelPolicy; readonly view?: Partial<SupervisedModel> };

/** An app over these models; nothing runs behind it. */
function appOf(known: readonly Known[], client?: Partial<ClientPolicy>) {
  const models = new Map(known.map(({ model }) => [model.id, model]));
  const runtimes = new Map([
    [runtimeId('llama'), { device: 'cpu' }],
    [runtimeId('npu'), { device: 'npu' }],
  ]);
  const policy = { models, runtimes, gateway: { bodyBytesMax: 10_000 } } as unknown as Policy;
  const views = new Map(known.map(({ model, view }) => [model.id, supervised(view)]));
  return createHttpApp({
    version: '1.2.3',
    startedAtMs: NOW_MS,
    clock: { nowMs: () => NOW_MS },
    policy: () => policy,
    supervisor: { views: () => views },
    started: () => Promise.resolve(),
    isDraining: () => false,
    authenticate: () => () => client,
    emit: () => undefined,
  } as unknown as HttpParts);
}

const bindings = { incoming: { headers: {}, socket: new Socket() } };
/** Parsed JSON: tests look into it and expect what they find. */
type Parsed = ReturnType<typeof JSON.parse>;

const get = async (app: ReturnType<typeof appOf>, path: string): Promise<Parsed> =>
  (await app.request(path, {}, bindings)).json();

describe('GET /api/tags', () => {
  it('lists what can be asked, with what the file tells', async () => {
    const file = join(temporaryFolder(), 'four.gguf');
    writeFileSync(file, 'weights');
    utimesSync(file, NOW_MS / 1000, NOW_MS / 1000);
    const app = appOf([
      { model: modelPolicy('four', { file }) },
      { model: modelPolicy('off', { enabled: false }) },
      {
        model: modelPolicy('gone'),
        view: { availability: { kind: 'unavailable', reason: 'no file', remedy: 'put it' } },
      },
    ]);
    const { models } = await get(app, '/api/tags');
    expect(models.map(({ name }: { name: string }) => name)).toEqual([
      'auto',
      'auto:route',
      'auto:interactive',
      'auto:quality',
      'auto:batch',
      'four',
    ]);
    expect(models[0]).toMatchObject({
      size: 0,
      capabilities: ['completion', 'tools'],
      details: { context_length: 2048 },
    });
    expect(models.at(-1)).toEqual({
      name: 'four',
      model: 'four',
      modified_at: '2026-11-21T12:00:00.000Z',
      size: 2_500_000_000,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      details: {
        parent_model: '',
        format: 'gguf',
        family: 'llama',
        families: ['llama'],
        parameter_size: '4B',
        quantization_level: 'Q4_K_M',
        context_length: 2048,
      },
      capabilities: ['completion', 'tools'],
    });
  });

  it('lists to a client what is open to it', async () => {
    const known = [{ model: modelPolicy('four') }, { model: modelPolicy('nine') }];
    const { models } = await get(appOf(known, { classes: ['route'], models: [modelId('four')] }), '/api/tags');
    expect(models.map(({ name }: { name: string }) => name)).toEqual(['auto', 'auto:route', 'four']);
  });

  it('gives a digest that changes with the file and only with it', async () => {
    const file = join(temporaryFolder(), 'four.gguf');
    writeFileSync(file, 'weights');
    const app = appOf([{ model: modelPolicy('four', { file }) }]);
    const digest = async () => (await get(app, '/api/tags')).models.at(-1).digest;
    const first = await digest();
    expect(await digest()).toBe(first);
    writeFileSync(file, 'other weights');
    expect(await digest()).not.toBe(first);
  });

  it.each([
    [4, '4B'],
    [4.33, '4.3B'],
    [0.27, '270M'],
    [0.0227, '22.70M'],
    [0.0000004, '0K'],
    [undefined, ''],
  ])('writes %s billion parameters as %j', async (parametersBillion, written) => {
    const app = appOf([{ model: modelPolicy('four'), view: { facts: modelFacts({ parametersBillion }) } }]);
    expect((await get(app, '/api/tags')).models.at(-1).details.parameter_size).toBe(written);
  });
});

describe('GET /api/ps', () => {
  it('lists what is loaded, and until when', async () => {
    const app = appOf([
      {
        model: modelPolicy('idle'),
        view: {
          residency: { kind: 'ready' },
          keep: { kind: 'idle', idleMs: 300_000 },
          unloadsAtMs: NOW_MS + 60_000,
          rssBytes: 4_000_000_000,
        },
      },
      {
        model: modelPolicy('busy', { runtime: runtimeId('npu') }),
        view: { residency: { kind: 'busy' }, keep: { kind: 'idle', idleMs: 300_000 } },
      },
      { model: modelPolicy('stays'), view: { residency: { kind: 'ready' }, keep: { kind: 'resident' } } },
      { model: modelPolicy('stopped') },
    ]);
    const { models } = await get(app, '/api/ps');
    expect(models).toMatchObject([
      { name: 'idle', size: 4_000_000_000, size_vram: 0, expires_at: '2026-11-21T12:01:00.000Z', context_length: 2048 },
      { name: 'busy', size: 3_000_000_000, size_vram: 3_000_000_000, expires_at: '2026-11-21T12:05:00.000Z' },
      { name: 'stays', expires_at: '2300-01-01T00:00:00.000Z' },
    ]);
  });
});

describe('GET /', () => {
  it("answers with Ollama's greeting whoever is no browser", async () => {
    const app = appOf([]);
    const reply = await app.request('/');
    expect([reply.status, await reply.text()]).toEqual([200, 'Ollama is running']);
    expect((await app.request('/', { method: 'HEAD' })).status).toBe(200);
  });

  it('does not answer a browser with it', async () => {
    const reply = await appOf([]).request('/', { headers: { accept: 'text/html,*/*' } });
    expect(await reply.text()).not.toContain('Ollama');
  });
});

describe('GET /api/version', () => {
  it("tells the API's release beside our own", async () => {
    expect(await get(appOf([]), '/api/version')).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      server: 'sluice',
      server_version: '1.2.3',
    });
  });
});

describe('what manages models', () => {
  it.each([
    ['POST', '/api/pull'],
    ['POST', '/api/push'],
    ['POST', '/api/create'],
    ['POST', '/api/copy'],
    ['DELETE', '/api/delete'],
    ['HEAD', '/api/blobs/sha256:00'],
    ['POST', '/api/blobs/sha256:00'],
  ])('is refused with what to do instead: %s %s', async (method, path) => {
    const reply = await appOf([]).request(path, { method }, bindings);
    expect([reply.status, reply.headers.get('x-should-retry')]).toEqual([501, 'false']);
    if (method === 'HEAD') return;
    expect(((await reply.json()) as Parsed).error).toMatch(
      /^\/api\/\w+ is not served: models are files that the policy declares/,
    );
  });

  it('does not hide that an endpoint does not exist', async () => {
    const reply = await appOf([]).request('/api/nothing', {}, bindings);
    expect([reply.status, await reply.json()]).toEqual([404, { error: 'no endpoint GET /api/nothing' }]);
  });
});
