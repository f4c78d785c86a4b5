import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChatResponse, type Message, Ollama, type Tool } from 'ollama';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { demoPolicy, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// Ollama's own client, unchanged, over a real llama-server and over the RKLLM simulator.

const KEY = 'sk-test-ollama';
const THOUGHT = '<think>|It asks| for a city.|</think>|\\n\\n|Ulm|.';
const CALL = '<tool_call>|\\n{"name": "get_|weather", "arguments": {"city": "Ulm"}}|\\n</tool_call>';
const LONG = Array.from({ length: 200 }, () => 'word ').join('|');

let gateway: TestGateway;
let client: Ollama;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ollama-'));
  const npu = (name: string, answer: string, decodeMs = 1) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { answer, context: 512, decode_ms: decodeMs }),
    quality: 0.4,
    keep: { idle: '1h' },
  });
  const policy = demoPolicy(['tiny']);
  const { llama } = policy.runtimes;
  if (llama !== undefined) llama['settings'] = { ...(llama['settings'] as object), threads: 1, context: 1024 };
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.2.3') };
  policy.models['tiny'] = { ...policy.models['tiny'], aliases: ['small'] };
  policy.models['vectors'] = {
    ...policy.models['tiny'],
    aliases: [],
    settings: { embeddings: true, pooling: 'mean' },
    keep: { idle: '1h' },
  };
  policy.models['thinker'] = npu('thinker', THOUGHT);
  policy.models['caller'] = npu('caller', CALL);
  policy.models['slow'] = npu('slow', LONG, 20);
  policy.clients = [
    { name: 'chat', key_env: 'SLUICE_TEST_KEY_CHAT' },
    { name: 'guest', key_env: 'SLUICE_TEST_KEY_GUEST', models: ['thinker'], requests_per_minute: 1 },
  ];
  const environment = { ...process.env, SLUICE_TEST_KEY_CHAT: KEY, SLUICE_TEST_KEY_GUEST: 'sk-guest' };
  gateway = await startTestGateway(policy, { environment });
  client = clientWith(KEY);
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const clientWith = (key: string) => new Ollama({ host: gateway.url, headers: { authorization: `Bearer ${key}` } });
const messages: Message[] = [{ role: 'user', content: 'What is the weather in Berlin?' }];
const tools: Tool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
/** What the router says beside Ollama's own fields. */
const routerOf = (reply: object | undefined) => (reply as { x_router?: Record<string, unknown> } | undefined)?.x_router;
const loaded = async () => (await client.ps()).models.map(({ name }) => name);

async function read(stream: AsyncIterable<ChatResponse>) {
  const chunks: ChatResponse[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const join = (part: (chunk: ChatResponse) => string | undefined) => chunks.map((chunk) => part(chunk) ?? '').join('');
  return { chunks, last: chunks.at(-1), text: join(({ message }) => message.content), join };
}

describe('list, show and version', () => {
  it('list the ways to let us choose and every model, with sizes and digests', async () => {
    const { models } = await client.list();
    expect(models.map(({ name }) => name)).toEqual([
      'auto',
      'auto:route',
      'auto:interactive',
      'auto:quality',
      'auto:batch',
      'tiny',
      'vectors',
      'thinker',
      'caller',
      'slow',
    ]);
    const tiny = models.find(({ name }) => name === 'tiny');
    expect(tiny).toMatchObject({
      details: { format: 'gguf', family: 'llama' },
      digest: expect.stringMatching(/^\w{64}$/),
    });
    expect(tiny?.size).toBeGreaterThan(10_000);
    expect(await client.version()).toMatchObject({ server: 'sluice' });
  });

  it('show what a model is and can do', async () => {
    const shown = await client.show({ model: 'small:latest' });
    expect(shown.capabilities).toEqual(['completion', 'tools']);
    expect(shown.template).toContain('messages');
    expect(shown.model_info).toMatchObject({ 'general.architecture': 'llama', 'llama.context_length': 1024 });
    expect((await client.show({ model: 'auto' })).capabilities).toContain('tools');
    await expect(client.show({ model: 'nope' })).rejects.toMatchObject({ status_code: 404 });
  });
});

describe('chat', () => {
  it('answers with counts and durations', async () => {
    const reply = await client.chat({ model: 'tiny', messages, options: { temperature: 0, num_ctx: 8192 } });
    expect(reply).toMatchObject({ model: 'tiny', done: true, done_reason: 'stop' });
    expect(reply.message).toEqual({ role: 'assistant', content: sentenceOf('tiny') });
    expect(reply.prompt_eval_count).toBeGreaterThan(10);
    expect(reply.eval_count).toBeGreaterThan(3);
    expect(reply.total_duration).toBeGreaterThanOrEqual(reply.prompt_eval_duration + reply.eval_duration);
    expect(routerOf(reply)).toMatchObject({ model: 'tiny', ignored: ['options.num_ctx'] });
  });

  it.each(['auto', 'tiny', 'thinker'])('streams from %s', async (model) => {
    const { last, text, chunks } = await read(await client.chat({ model, messages, stream: true }));
    expect(text).toBe(last?.model === 'tiny' ? sentenceOf('tiny') : 'Ulm.');
    expect(last).toMatchObject({ done: true, done_reason: 'stop' });
    expect(routerOf(last)).toMatchObject({ model: last?.model, attempts: 1 });
    expect(chunks.length).toBeGreaterThan(2);
  });

  it('tells thoughts apart, whole and streamed', async () => {
    const whole = await client.chat({ model: 'thinker', messages, think: true });
    expect(whole.message).toMatchObject({ content: 'Ulm.', thinking: 'It asks for a city.' });
    const { join } = await read(await client.chat({ model: 'thinker', messages, stream: true }));
    expect(join(({ message }) => message.thinking)).toBe('It asks for a city.');
  });

  it.each(['tiny', 'caller'])('calls a tool of %s and takes its result', async (model) => {
    const first = await client.chat({ model, messages, tools });
    const city = model === 'tiny' ? 'Berlin' : 'Ulm';
    expect(first.message.tool_calls).toMatchObject([{ function: { name: 'get_weather', arguments: { city } } }]);
    const result: Message = { role: 'tool', tool_name: 'get_weather', content: 'sunny' };
    const second = await client.chat({ model, messages: [...messages, first.message, result], tools });
    expect(second.done_reason).toBe('stop');
    if (model === 'tiny') expect(second.message.content).toBe(sentenceOf('tiny'));
    const { join, chunks } = await read(await client.chat({ model: 'caller', messages, tools, stream: true }));
    expect(join(({ message }) => message.content)).toBe('');
    expect(chunks.flatMap(({ message }) => message.tool_calls ?? [])).toHaveLength(1);
  });

  it('keeps to a JSON schema', async () => {
    const format = {
      type: 'object',
      properties: { answer: { enum: ['yes', 'no'] } },
      required: ['answer'],
      additionalProperties: false,
    };
    const { message } = await client.chat({ model: 'tiny', messages, format, options: { num_predict: 60 } });
    expect(JSON.parse(message.content)).toEqual({ answer: expect.stringMatching(/^(yes|no)$/) });
  });

  it('refuses images where no model sees', async () => {
    const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const failure = client.chat({
      model: 'auto',
      messages: [{ role: 'user', content: 'What is it?', images: [image] }],
    });
    await expect(failure).rejects.toMatchObject({ status_code: 400, message: expect.stringContaining('image') });
  });
});

describe('generate', () => {
  it('answers a prompt, whole and streamed', async () => {
    const whole = await client.generate({ model: 'tiny', prompt: 'Who are you?', system: 'Be brief.' });
    expect(whole).toMatchObject({ response: sentenceOf('tiny'), done_reason: 'stop' });
    let text = '';
    for await (const chunk of await client.generate({ model: 'tiny', prompt: 'Hello', stream: true }))
      text += chunk.response;
    expect(text).toBe(sentenceOf('tiny'));
  });

  it('takes a raw prompt past the template, and says where that is not possible', async () => {
    const raw = { prompt: 'Hello', raw: true, options: { num_predict: 4 } };
    const whole = await client.generate({ model: 'auto', ...raw, logprobs: true });
    expect(whole).toMatchObject({ model: 'tiny', done_reason: 'length', eval_count: 4 });
    expect(whole.prompt_eval_count).toBeLessThan(8);
    expect((whole as { logprobs?: object[] }).logprobs).toHaveLength(4);
    const format = { enum: ['yes', 'no'] };
    const yes = await client.generate({ model: 'tiny', prompt: 'Hello', raw: true, format });
    expect(yes.response).toMatch(/^"(yes|no)"$/);
    let text = '';
    for await (const chunk of await client.generate({ model: 'tiny', ...raw, stream: true })) text += chunk.response;
    expect(text).toBe(whole.response);
    await expect(client.generate({ model: 'thinker', ...raw })).rejects.toMatchObject({ status_code: 400 });
  });
});

describe('embed', () => {
  it('gives vectors of length 1', async () => {
    const { embeddings, model } = await client.embed({ model: 'auto', input: ['Who are you?', 'I am.'] });
    expect([model, embeddings.length]).toEqual(['vectors', 2]);
    expect(Math.hypot(...(embeddings[0] ?? []))).toBeCloseTo(1, 3);
    const { embedding } = await client.embeddings({ model: 'vectors', prompt: 'Who are you?', keep_alive: 0 });
    expect(embedding).toHaveLength(embeddings[0]?.length ?? 0);
    await expect(client.embed({ model: 'tiny', input: 'a' })).rejects.toMatchObject({ status_code: 400 });
    await until('vectors is gone', async () => !(await loaded()).includes('vectors'));
  });
});

describe('keep_alive', () => {
  it('loads a model ahead, says until when, and unloads it', async () => {
    const reply = await client.chat({ model: 'slow', messages: [], keep_alive: '10m' });
    expect(reply).toMatchObject({ model: 'slow', done: true, done_reason: 'load', message: { content: '' } });
    const { models } = await client.ps();
    const slow = models.find(({ name }) => name === 'slow');
    const leftMs = new Date(slow?.expires_at ?? 0).getTime() - Date.now();
    expect(leftMs).toBeGreaterThan(9 * 60_000);
    expect(leftMs).toBeLessThanOrEqual(10 * 60_000);
    expect(await client.generate({ model: 'slow', prompt: '', keep_alive: 0 })).toMatchObject({
      done_reason: 'unload',
    });
    expect(await loaded()).not.toContain('slow');
  });

  it('unloads a model after its answer', async () => {
    await client.chat({ model: 'thinker', messages, keep_alive: -1 });
    const { models } = await client.ps();
    expect(models.find(({ name }) => name === 'thinker')?.expires_at).toMatch(/^2300/);
    await client.chat({ model: 'thinker', messages, keep_alive: 0 });
    await until('thinker is gone', async () => !(await loaded()).includes('thinker'));
  });
});

describe('a client that leaves', () => {
  it.each([
    ['slow', {}],
    ['tiny', { format: { type: 'array', items: { enum: ['yes'] }, minItems: 400 } }],
  ])('frees the lane of %s in the middle of its answer', async (model, more) => {
    const before = gateway.records().length;
    const stream = await client.chat({ model, messages, stream: true, ...more });
    const reading = (async () => {
      let chunks = 0;
      for await (const _ of stream) {
        chunks += 1;
        if (chunks === 3) stream.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await until('the abort is noticed', () => gateway.records()[before]?.outcome.kind === 'cancelled');
    const next = model === 'slow' ? 'thinker' : 'tiny';
    expect((await client.chat({ model: next, messages })).done).toBe(true);
  });
});

describe('a client that leaves before its turn', () => {
  it('has had empty chunks, and frees its place in the queue', async () => {
    const before = gateway.records().length;
    const running = await client.chat({ model: 'slow', messages, stream: true });
    const waiting = await client.chat({ model: 'slow', messages, stream: true });
    for await (const { message, done, model } of waiting) {
      expect({ message, done, model }).toEqual({
        message: { role: 'assistant', content: '' },
        done: false,
        model: 'slow',
      });
      break;
    }
    waiting.abort();
    await until('it has left the queue', () => gateway.records()[before]?.outcome.kind === 'cancelled');
    running.abort();
    await until('both have left', () => gateway.records()[before + 1]?.outcome.kind === 'cancelled');
  });
});

describe('errors', () => {
  const chat = (body: object, by = client) => by.chat({ model: 'auto', messages, ...body });

  it.each([
    ['an unknown model', { model: 'llama3.2' }, 404, 'model "llama3.2" does not exist'],
    ['a wrong field', { options: { temperature: 9 } }, 400, 'options.temperature must be a number from 0 to 2, not 9'],
    ['too long a prompt', { messages: [{ role: 'user', content: 'word '.repeat(20_000) }] }, 400, 'context'],
  ])('tell of %s', async (_, body, status, message) => {
    await expect(chat(body)).rejects.toMatchObject({
      status_code: status,
      message: expect.stringContaining(message),
    });
  });

  it('tell of what is not open to a client, and of its limit', async () => {
    const guest = clientWith('sk-guest');
    expect((await guest.list()).models.map(({ name }) => name)).toContain('thinker');
    expect((await guest.list()).models.map(({ name }) => name)).not.toContain('tiny');
    await expect(guest.chat({ model: 'tiny', messages: [], keep_alive: 0 })).rejects.toMatchObject({
      status_code: 403,
      message: expect.stringContaining('tiny is not open to client guest'),
    });
    expect(await loaded()).toContain('tiny');
    await expect(chat({}, guest)).rejects.toMatchObject({ status_code: 429 });
  });

  it('tell of a wrong key', async () => {
    await expect(chat({}, clientWith('sk-wrong'))).rejects.toMatchObject({ status_code: 401 });
    await expect(clientWith('sk-wrong').list()).rejects.toMatchObject({ status_code: 401 });
  });

  it('tell of a body that is no JSON, and of what is not served', async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const reply = await fetch(`${gateway.url}/api/chat`, { method: 'POST', headers, body: '{"model":' });
    expect([reply.status, await reply.json()]).toEqual([
      400,
      { error: expect.stringContaining('the body is not valid JSON') },
    ]);
    await expect(client.pull({ model: 'tiny' })).rejects.toMatchObject({ status_code: 501 });
  });

  it('end a stream whose engine dies', async () => {
    const stream = await client.chat({ model: 'slow', messages, stream: true });
    const reading = (async () => {
      let chunks = 0;
      for await (const _ of stream) {
        chunks += 1;
        if (chunks === 3) process.kill(await pidOf('slow'), 'SIGKILL');
      }
    })();
    await expect(reading).rejects.toThrow(/slow/);
  });
});

async function pidOf(model: string): Promise<number> {
  const reply = await fetch(`${gateway.url}/router/models`, { headers: { authorization: `Bearer ${KEY}` } });
  const { models } = (await reply.json()) as { models: { id: string; pid: number }[] };
  return models.find(({ id }) => id === model)?.pid ?? Number.NaN;
}
