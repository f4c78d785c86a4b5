import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { type PolicyFile, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// What is particular to NPU models, seen by a client of the gateway. What every kind does is in runtime-contract.test.ts.

let gateway: TestGateway;
let client: OpenAI;
let folder: string;

const THOUGHT = '<think>|It asks| for a city.|</think>|\\n\\n|Ulm|.';
const CALL = '<tool_call>|\\n{"name": "get_|weather", "arguments": {"city": "Ulm"}}|\\n</tool_call>';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-npu-'));
  const model = (name: string, answer: string) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { answer, context: 512, decode_ms: 1 }),
    quality: 0.6,
    sampling: { temperature: 0.6 },
  });
  const policy: PolicyFile = {
    version: 1,
    gateway: { host: '127.0.0.1', port: 0 },
    machine: { memory: '12GB', reserve: '0MB' },
    devices: { npu: { lanes: 1 } },
    runtimes: { npu: { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.2.3') } },
    models: { thinker: model('thinker', THOUGHT), caller: model('caller', CALL) },
    classes: { interactive: { min_quality: 0 } },
    clients: [],
  };
  gateway = await startTestGateway(policy);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'A city, please.' }];
const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
];

describe('an NPU model behind the gateway', () => {
  it('tells which fields it could not honour', async () => {
    const reply = await client.chat.completions.create({ model: 'thinker', messages, seed: 1, temperature: 0.1 });
    expect(reply).toMatchObject({ x_router: { model: 'thinker', ignored: ['temperature', 'seed'] } });
    const plain = await client.chat.completions.create({ model: 'thinker', messages, temperature: 0.6 });
    expect((plain as unknown as { x_router: object }).x_router).not.toHaveProperty('ignored');
  });

  it('gives thoughts apart from the answer, whole and streamed', async () => {
    const whole = await client.chat.completions.create({ model: 'thinker', messages });
    expect(whole.choices[0]?.message).toMatchObject({ content: 'Ulm.', reasoning_content: 'It asks for a city.' });
    const stream = await client.chat.completions.create({ model: 'thinker', messages, stream: true });
    let [content, thoughts] = ['', ''];
    for await (const { choices } of stream) {
      const delta = choices[0]?.delta as { content?: string | null; reasoning_content?: string } | undefined;
      content += delta?.content ?? '';
      thoughts += delta?.reasoning_content ?? '';
    }
    expect([content, thoughts]).toEqual(['Ulm.', 'It asks for a city.']);
  });

  it('calls a tool and takes its result', async () => {
    const first = await client.chat.completions.create({ model: 'caller', messages, tools });
    const message = first.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    if (message === undefined || call === undefined) throw new Error('no call');
    const result = { role: 'tool', tool_call_id: call.id, content: '{"sky":"blue"}' } as const;
    const second = await client.chat.completions.create({
      model: 'caller',
      messages: [...messages, message, result],
      tools,
    });
    expect(second.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it("feeds its profile with the runtime's own figures, and tells what its log says", async () => {
    await client.chat.completions.create({ model: 'thinker', messages });
    const { thinker } = (await gateway.json('/router/profiles')).profiles;
    for (const rate of [thinker.prefill_tokens_per_sec, thinker.decode_tokens_per_sec]) {
      expect(rate).toMatchObject({ value: expect.any(Number), provenance: 'observed' });
    }
    // A token a millisecond, as the library tells it; our own clock would say less.
    expect(thinker.decode_tokens_per_sec.value).toBeLessThanOrEqual(1000);
    expect(thinker.decode_tokens_per_sec.value).toBeGreaterThan(300);
    const { models } = await gateway.json('/router/models');
    // The library here is the simulator, and whoever lists the models is told.
    expect(models.map(({ simulated }: { simulated: boolean }) => simulated)).not.toContain(false);
    const row = models.find(({ id }: { id: string }) => id === 'thinker');
    expect(row.details).toMatchObject({ runtime: '1.2.3', driver: '0.9.8', max_context_limit: 512, dtype: 'w8a8' });
  });

  it('refuses what does not fit its context, with a 400', async () => {
    const long = [{ role: 'user', content: 'many words '.repeat(2000) }] as const;
    const error = await client.chat.completions
      .create({ model: 'thinker', messages: [...long] })
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ status: 400, code: 'context_length_exceeded' });
  });
});

describe('the shipped policy on a machine without an NPU', () => {
  it('lists its NPU models as unavailable, each with what is missing and what helps', async () => {
    const shipped = parse(readFileSync(join(packageRoot(), 'routing-policy.yaml'), 'utf8')) as PolicyFile;
    const ids = Object.keys(shipped.models).filter((id) => shipped.models[id]?.['runtime'] === 'npu');
    expect(ids.length).toBeGreaterThan(1);
    const bare = await startTestGateway({ ...shipped, gateway: { host: '127.0.0.1', port: 0 } }, { settle: false });
    try {
      await bare.gateway.settled();
      const { models } = await bare.json('/router/models');
      for (const id of ids) {
        expect(models.find((row: { id: string }) => row.id === id).availability).toEqual({
          kind: 'unavailable',
          reason: expect.stringContaining('librkllmrt.so was found'),
          remedy: expect.stringContaining('runtimes.npu.library'),
        });
      }
    } finally {
      await bare.stop();
    }
  });
});
