import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tierPath } from '../../src/demo/tiers.ts';
import {
  contentOf,
  demoModel,
  demoPolicy,
  eventsOf,
  isAlive,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
  testVariable,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// Children that die, hang, or could never start, seen from the client's side.

const endless = (model: string) => question({ model, stream: true, ignore_eos: true, max_tokens: 1900 });
const longPrompt = { messages: [{ role: 'user', content: 'Count the words. '.repeat(90) }] };

async function firstBytes(url: string, body: object): Promise<{ readonly rest: Promise<string> }> {
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader?.read())?.value ?? '';
  const readRest = async () => {
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) return text;
      text += part.value;
    }
  };
  return { rest: readRest() };
}

describe('a child that dies', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    const policy = demoPolicy(['demo-1.7b', 'demo-4b', 'demo-9b']);
    for (const model of Object.values(policy.models)) model['settings'] = { context: 4096 };
    // Headers that have gone out early name the model that was tried first.
    policy.gateway['early_headers'] = '1m';
    gateway = await startTestGateway(policy);
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  const readyAgain = async (model: string, after: number) => {
    await gateway.event(
      `${model} is ready again`,
      (event) => event.kind === 'child.state' && event.model === model && event.to === 'ready',
      after,
    );
    // A generation that works clears its record: five deaths in a row would be a crash loop.
    const reply = await gateway.chat(question({ model }));
    expect(contentOf(reply.text)).toBe(sentenceOf(model));
  };

  it('in the middle of a stream ends it with an error event and comes back after a back-off', async () => {
    const { pid } = await gateway.child('demo-9b');
    const from = gateway.events.length;
    const { rest } = await firstBytes(gateway.url, endless('auto:quality'));
    process.kill(pid, 'SIGKILL');
    const text = await rest;
    expect(text).not.toContain('[DONE]');
    expect(eventsOf(text).at(-1)).toEqual({
      error: {
        message: expect.stringContaining('broke off'),
        type: 'server_error',
        param: null,
        code: 'runtime_failed',
      },
    });
    expect(text.endsWith('}\n\n')).toBe(true);
    const backoff = (to: string) =>
      gateway.event(to, (event) => event.kind === 'child.state' && event.model === 'demo-9b' && event.to === to, from);
    expect(await backoff('backoff')).toMatchObject({ detail: expect.stringContaining('SIGKILL') });
    await readyAgain('demo-9b', from);
    const { pid: newPid } = await gateway.child('demo-9b');
    expect(newPid).not.toBe(pid);
    const failed = gateway.records().filter(({ outcome }) => outcome.kind === 'failed');
    expect(failed.map(({ model, outcome }) => [model, 'code' in outcome && outcome.code])).toEqual([
      ['demo-9b', 'runtime_failed'],
    ]);
  });

  it('in the middle of a stream makes the openai SDK throw', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const { pid } = await gateway.child('demo-9b');
    const from = gateway.events.length;
    const stream = await client.chat.completions.create({
      model: 'demo-9b',
      messages: [{ role: 'user', content: 'Who are you?' }],
      stream: true,
      max_tokens: 1900,
      ...{ ignore_eos: true },
    });
    const read = async () => {
      let killed = false;
      for await (const chunk of stream) {
        if (!killed && chunk.choices[0]?.delta.content) process.kill(pid, 'SIGKILL');
        killed ||= Boolean(chunk.choices[0]?.delta.content);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'runtime_failed', type: 'server_error' });
    await readyAgain('demo-9b', from);
  });

  it.each([true, false])('before the first byte lets another candidate answer (stream %s)', async (stream) => {
    const { pid } = await gateway.child('demo-9b');
    const from = gateway.events.length;
    const answer = gateway.chat(question({ model: 'auto:quality', stream, ...longPrompt }));
    await until('it reads the prompt', async () => (await gateway.slot('demo-9b')).is_processing);
    process.kill(pid, 'SIGKILL');
    const reply = await answer;
    expect(reply.status).toBe(200);
    expect(reply.headers.get('x-router-model')).toBe('demo-4b');
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-4b'));
    const last = stream ? eventsOf(reply.text).at(-1) : JSON.parse(reply.text);
    expect(last.x_router).toMatchObject({ attempts: 2, model: 'demo-4b', class: 'quality' });
    expect(last.model).toBe('demo-4b');
    await gateway.event('the retry', (event) => event.kind === 'request.retried', from);
    await readyAgain('demo-9b', from);
  });

  it('while a plain answer is written costs the client nothing', async () => {
    const { pid } = await gateway.child('demo-9b');
    const from = gateway.events.length;
    const answer = gateway.chat({ ...endless('auto:quality'), stream: false, max_tokens: 400 });
    await until('it writes', async () => ((await gateway.slot('demo-9b')).next_token?.[0]?.n_decoded ?? 0) > 3);
    process.kill(pid, 'SIGKILL');
    const reply = await answer;
    expect(reply.status).toBe(200);
    expect(contentOf(reply.text)).toContain(sentenceOf('demo-4b'));
    await readyAgain('demo-9b', from);
  });

  it('under a pinned request ends in a plain 502', async () => {
    const { pid } = await gateway.child('demo-9b');
    const from = gateway.events.length;
    const answer = gateway.chat(question({ model: 'demo-9b', ...longPrompt }));
    await until('it reads the prompt', async () => (await gateway.slot('demo-9b')).is_processing);
    process.kill(pid, 'SIGKILL');
    const reply = await answer;
    expect(reply.status).toBe(502);
    expect(JSON.parse(reply.text).error).toMatchObject({ code: 'runtime_failed', type: 'server_error' });
    await readyAgain('demo-9b', from);
  });

  it('while idle is started again without anybody asking', async () => {
    const { pid } = await gateway.child('demo-1.7b');
    const from = gateway.events.length;
    process.kill(pid, 'SIGKILL');
    await readyAgain('demo-1.7b', from);
    const reply = await gateway.chat(question({ model: 'auto:route' }));
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-1.7b'));
  });
});

describe('a child that hangs', () => {
  it('keeps nobody: its client can leave and is counted once', async () => {
    const gateway = await startTestGateway(demoPolicy(['tiny', 'demo-4b']));
    const { pid } = await gateway.child('demo-4b');
    const from = gateway.events.length;
    try {
      process.kill(pid, 'SIGSTOP');
      const abort = new AbortController();
      const answer = gateway.chat(endless('demo-4b'), { signal: abort.signal });
      await until('it runs', async () => (await gateway.json('/router/status')).requests_active === 1);
      abort.abort();
      await expect(answer).rejects.toThrow('abort');
      await until('nothing is under way', async () => (await gateway.json('/router/status')).requests_active === 0);
      expect(gateway.records().map(({ outcome }) => outcome.kind)).toEqual(['cancelled']);
      // It does not say that it has stopped, so it is replaced; until then nobody else may have its lane.
      await gateway.event(
        'it is replaced',
        (event) => event.kind === 'child.state' && event.model === 'demo-4b' && event.to === 'draining',
        from,
      );
      await until('the stopped process is gone', () => !isAlive(pid));
      await gateway.idle();
      expect(contentOf((await gateway.chat(question({ model: 'demo-4b' }))).text)).toBe(sentenceOf('demo-4b'));
    } finally {
      await gateway.stop();
    }
  });
});

describe('a model that cannot run', () => {
  let gateway: TestGateway;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-models-'));
    const policy = demoPolicy(['tiny']);
    writeFileSync(join(folder, 'corrupt.gguf'), 'GGUF but not really, only the first four letters are right');
    writeFileSync(join(folder, 'empty.gguf'), '');
    policy.models['corrupt'] = { ...demoModel('demo-4b'), file: join(folder, 'corrupt.gguf') };
    policy.models['empty'] = { ...demoModel('demo-4b'), file: join(folder, 'empty.gguf') };
    policy.models['missing'] = { ...demoModel('demo-9b'), file: join(folder, 'missing.gguf') };
    policy.models['off'] = { ...demoModel('demo-27b'), enabled: false };
    policy.classes['interactive'] = { prefer: 'corrupt', min_quality: 0 };
    policy.classes['quality'] = { prefer: 'missing', min_quality: 0 };
    gateway = await startTestGateway(policy);
  });
  afterAll(async () => {
    await gateway?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('leaves the others serving', async () => {
    for (const model of ['auto', 'auto:quality']) {
      const reply = await gateway.chat(question({ model }));
      expect(contentOf(reply.text)).toBe(sentenceOf('tiny'));
    }
  });

  it('is listed at /ready and /router/models with reason and remedy', async () => {
    const ready = await gateway.json('/ready');
    expect(ready).toMatchObject({ ready: true, usable: expect.arrayContaining(['tiny']) });
    const unusable = new Map(ready.unusable.map((row: { model: string }) => [row.model, row]));
    for (const model of ['corrupt', 'empty', 'missing']) {
      expect(unusable.get(model)).toMatchObject({
        reason: expect.stringContaining(folder),
        remedy: expect.stringMatching(/\w{4}/),
      });
    }
    const { models } = await gateway.json('/router/models');
    const missing = models.find((row: { id: string }) => row.id === 'missing');
    expect(missing.availability).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining('missing.gguf'),
    });
  });

  it.each(['corrupt', 'empty', 'missing', 'off'])(
    'refuses a request pinned to it with the remedy (%s)',
    async (model) => {
      const reply = await gateway.chat(question({ model }));
      expect(reply.status).toBe(503);
      const { error } = JSON.parse(reply.text);
      expect(error.code).toBe('model_unavailable');
      expect(error.message).toContain(model);
      expect(error.message).toMatch(/\(.+\)|;/);
    },
  );

  it('is used as soon as its file is there', async () => {
    copyFileSync(tierPath(testVariable('SLUICE_TEST_MODELS'), 'demo-1.7b'), join(folder, 'missing.gguf'));
    const reply = await until('the file is seen', async () => {
      const answer = await gateway.chat(question({ model: 'auto:quality' }));
      return answer.headers.get('x-router-model') === 'missing' && answer;
    });
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-1.7b'));
  });
});

describe('a file that only the engine finds broken', () => {
  it('fails once, without a crash loop, and another candidate answers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-models-'));
    const policy = demoPolicy(['tiny']);
    const file = join(folder, 'cut.gguf');
    copyFileSync(tierPath(testVariable('SLUICE_TEST_MODELS'), 'demo-1.7b'), file);
    policy.models['cut'] = { ...demoModel('demo-4b'), file, keep: { idle: '1h' } };
    policy.classes['interactive'] = { prefer: 'cut', min_quality: 0 };
    const gateway = await startTestGateway(policy);
    try {
      // Same length and a good head, so that no look at the file finds it; the engine reads the rest.
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, bytes.length - 100_000));
      const reply = await gateway.chat(question());
      expect(contentOf(reply.text)).toBe(sentenceOf('tiny'));
      expect(JSON.parse(reply.text).x_router.attempts).toBe(2);
      const starts = gateway.events.filter(
        (event) => event.kind === 'child.state' && event.model === 'cut' && event.to === 'starting',
      );
      expect(starts).toHaveLength(1);
    } finally {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a gateway without any usable model', () => {
  it('serves, says so at /ready, and refuses with every reason and no wish for retries', async () => {
    const policy = demoPolicy([]);
    policy.models['one'] = { ...demoModel('tiny'), file: '/nowhere/one.gguf' };
    policy.models['two'] = { ...demoModel('tiny'), file: '/nowhere/two.gguf' };
    const gateway = await startTestGateway(policy);
    try {
      expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
      const ready = await fetch(`${gateway.url}/ready`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({
        ready: false,
        usable: [],
        message: expect.stringContaining('no usable'),
      });
      await gateway.event(
        'a warning',
        (event) => event.kind === 'gateway.notice' && event.message.startsWith('none of the 2 models can be used'),
      );
      const reply = await gateway.chat(question());
      expect(reply.status).toBe(503);
      expect(reply.headers.get('x-should-retry')).toBe('false');
      const { error } = JSON.parse(reply.text);
      expect(error).toMatchObject({ code: 'no_usable_model', type: 'server_error' });
      expect(error.message).toContain('/nowhere/one.gguf');
      expect(error.message).toContain('/nowhere/two.gguf');
      expect(gateway.records().at(-1)?.outcome).toMatchObject({ kind: 'refused', code: 'no_usable_model' });
    } finally {
      await gateway.stop();
    }
  });
});
