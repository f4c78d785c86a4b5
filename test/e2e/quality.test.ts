import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, startGateway } from '../../src/app.ts';
import { benchDocumentSchema } from '../../src/bench/result.ts';
import { systemClock } from '../../src/core/clock.ts';
import { writeChainModel } from '../../src/demo/chain-model.ts';
import { tiers } from '../../src/demo/tiers.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import {
  contentOf,
  demoModel,
  demoPolicy,
  eventsOf,
  postChat,
  question,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// A model that is fast, highly thought of by the policy, and says the same sentence for ever; beside it one that answers
// and stops. The benchmark has to find out, and the gateway to act on it.

const CLI = join(import.meta.dirname, '../../src/cli.ts');
let folder: string;
let policyFile: string;
let gateway: Gateway | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const looping = join(folder, 'looping.gguf');
  await writeChainModel(looping, { ...tiers.tiny, name: 'looping', neverEnds: true });
  const policy = demoPolicy(['tiny']);
  policy.models = {
    looping: { ...demoModel('tiny'), file: looping, quality: 0.95 },
    sound: { ...demoModel('tiny'), quality: 0.5 },
  };
  policy.classes = { interactive: { min_quality: 0, output_tokens: 20 } };
  policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, JSON.stringify(policy));
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function bench(...args: readonly string[]) {
  const given = [
    'bench',
    ...args,
    '--policy',
    policyFile,
    '--data',
    join(folder, 'data'),
    '--out',
    join(folder, 'out'),
  ];
  const child = spawn(process.execPath, ['--import', 'tsx', CLI, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  return stdout;
}

async function serve(): Promise<Gateway> {
  const started = await startGateway({
    policyFile,
    dataDir: join(folder, 'data'),
    port: 0,
    allowAnonymous: false,
    clock: systemClock,
    events: createEventBus(),
    environment: process.env,
  });
  await started.settled();
  return started;
}

async function modelsOf({ url }: Gateway) {
  const answer = await fetch(`${url}/router/models`);
  return ((await answer.json()) as { models: { id: string; quarantined: string | null }[] }).models;
}

const optionsOf = ['--quality', '--served-only', '--repetitions', '1', '--settle', '0', '--no-cold-loads'];

describe('sluice bench --quality', () => {
  it('keeps of each answer whether it was right and how it looked, and no answer', { timeout: 300_000 }, async () => {
    await bench(...optionsOf);
    const written = readdirSync(join(folder, 'out'), { recursive: true, encoding: 'utf8' });
    const name = written.find((entry) => entry.endsWith('.json')) ?? '';
    const file = readFileSync(join(folder, 'out', name), 'utf8');
    const document = benchDocumentSchema.parse(JSON.parse(file));
    const answersOf = (id: string) => {
      const samples = document.models.find(({ model }) => model === id)?.samples ?? [];
      return samples.flatMap((sample) => (sample.kind === 'answer' ? [sample] : []));
    };
    const [looping, sound] = [answersOf('looping'), answersOf('sound')];
    expect(looping.length).toBe(sound.length);
    expect(looping.length).toBeGreaterThan(90);
    expect(looping.filter(({ sign }) => sign === 'loop').length).toBeGreaterThan(looping.length * 0.1);
    expect(sound.filter(({ sign }) => sign !== undefined)).toEqual([]);
    // Neither knows anything, so items are wrong, for a reason; five words are a title all the same.
    for (const { item, right, why, task } of [...looping, ...sound]) {
      if (task === undefined || item === 'creative-title') continue;
      expect([item, right, typeof why]).toEqual([item, false, 'string']);
    }
    const quality = document.models[1]?.figures.find(({ metric }) => metric === 'quality.code');
    expect(quality).toMatchObject({ value: 0, low: 0, n: 10 });
    expect(quality?.high).toBeGreaterThan(0.2);
    expect(file).not.toContain('I am the tiny tier');
  });

  it('quarantines the model that loops: never chosen, shown with the reason, there for who names it', async () => {
    gateway = await serve();
    const models = await modelsOf(gateway);
    const [looping, sound] = ['looping', 'sound'].map((id) => models.find((model) => model.id === id));
    expect(looping?.quarantined).toMatch(/^\d+ of \d+ answers had fallen apart \(run /);
    expect(sound?.quarantined).toBeNull();

    const reply = await postChat(gateway.url, question({ max_tokens: 24 }));
    expect(reply.headers.get('x-router-model')).toBe('sound');
    const explained = (await (
      await fetch(`${gateway.url}/router/explain`, { method: 'POST', body: JSON.stringify(question()) })
    ).json()) as { candidates: { model: string; reason: string }[] };
    const loser = explained.candidates.find(({ model }) => model === 'looping');
    expect(loser?.reason).toMatch(/^quarantined: \d+ of \d+ answers had fallen apart/);

    const named = await postChat(gateway.url, question({ model: 'looping', max_tokens: 24 }));
    expect(named.status).toBe(200);
    expect(contentOf(named.text)).toContain('I am the tiny tier. I am the tiny tier.');
  });

  it('lets it out again when a later run is clean', { timeout: 300_000 }, async () => {
    await gateway?.stop();
    gateway = undefined;
    await writeChainModel(join(folder, 'looping.gguf'), { ...tiers.tiny, name: 'mended' });
    await bench('looping', ...optionsOf);
    gateway = await serve();
    const models = await modelsOf(gateway);
    expect(models.map(({ quarantined }) => quarantined)).toEqual([null, null]);
  });
});

describe('gateway.stream_guard: stop', () => {
  let guarded: TestGateway;

  // Fresh data: nothing is measured, so the looping model is the policy's favourite.
  beforeAll(async () => {
    const policy = demoPolicy(['tiny']);
    const file = join(folder, 'guarded.gguf');
    await writeChainModel(file, { ...tiers.tiny, name: 'looping', neverEnds: true });
    policy.gateway['stream_guard'] = 'stop';
    policy.models = {
      looping: { ...demoModel('tiny'), file, quality: 0.95 },
      sound: { ...demoModel('tiny'), quality: 0.5 },
    };
    policy.classes = { interactive: { min_quality: 0, output_tokens: 20 } };
    guarded = await startTestGateway(policy);
  }, 60_000);
  afterAll(() => guarded.stop());

  it('ends a stream that repeats itself with an error event, and frees the lane', async () => {
    const reply = await guarded.chat(question({ model: 'looping', stream: true, max_tokens: 1500 }));
    const last = eventsOf(reply.text).at(-1);
    expect(last?.error).toMatchObject({ code: 'degenerate_output', type: 'server_error' });
    expect(last?.error.message).toMatch(/^looping began to repeat itself: the last \d+ characters repeat 20;/);
    expect(contentOf(reply.text).length).toBeLessThan(1500);
    await guarded.idle();
    expect((await guarded.slot('looping')).is_processing).toBe(false);
    const record = guarded.records().at(-1);
    expect(record?.outcome).toMatchObject({ kind: 'failed', code: 'degenerate_output' });
    expect(guarded.events.filter(({ kind }) => kind === 'request.looped')).toHaveLength(1);
  });

  it('tries an answer that is no stream on the next model', async () => {
    const reply = await guarded.chat(question({ max_tokens: 400 }));
    expect([reply.status, contentOf(reply.text)]).toEqual([200, tiers.tiny.sentence]);
    expect(reply.headers.get('x-router-model')).toBe('sound');
    expect(JSON.parse(reply.text).x_router).toMatchObject({ model: 'sound', attempts: 2 });
  });

  it('fails one that has no other model, and counts loops by model', async () => {
    const reply = await guarded.chat(question({ model: 'looping', max_tokens: 400 }));
    expect([reply.status, JSON.parse(reply.text).error.code]).toEqual([502, 'degenerate_output']);
    const { models } = await guarded.json('/router/models');
    const loops = models.map(({ id, loops: share }: { id: string; loops: object }) => [id, share]);
    expect(loops).toEqual([
      ['looping', { stopped: 3, answers: 3 }],
      ['sound', { stopped: 0, answers: 1 }],
    ]);
  });

  it('leaves a repetition alone that is too short to be a loop', async () => {
    const reply = await guarded.chat(question({ model: 'looping', max_tokens: 24 }));
    expect(reply.status).toBe(200);
  });
});
