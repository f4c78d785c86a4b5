import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { writeBoardStandIn } from '../helpers/board-stand-in.ts';
import { demoPolicy, isAlive, type PolicyFile, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { expectSchema } from '../helpers/openai-schema.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// What every runtime kind must do, seen through a whole gateway by OpenAI's own client. A new kind adds a row.

type Kind = {
  readonly name: string;
  /** Its model is called `subject` and answers long when asked `endless`. */
  readonly policy: (folder: string) => Promise<PolicyFile>;
  readonly runtimeVersion: RegExp;
  readonly contextTokens: number;
};

const npu = (version: string): Kind => ({
  name: `rkllm ${version}`,
  policy: async (folder) => {
    const file = writeStandIn(join(folder, 'qwen3-0.6b-w8a8-rk3588.rkllm'), { decode_ms: 2, repeat: 300 });
    const library = await buildSimulator(version);
    return {
      version: 1,
      gateway: { host: '127.0.0.1', port: 0 },
      machine: { memory: '12GB', reserve: '0MB' },
      devices: { npu: { lanes: 1 } },
      runtimes: { npu: { kind: 'rkllm', device: 'npu', library } },
      models: { subject: { runtime: 'npu', file, quality: 0.6, keep: 'resident' } },
      classes: { route: { min_quality: 0 }, interactive: { min_quality: 0 }, quality: { min_quality: 0 } },
      clients: [],
    };
  },
  runtimeVersion: new RegExp(`^${version} \\(simulated\\)$`),
  contextTokens: 4096,
});

const simulated: Kind = {
  name: 'simulated',
  policy: async (folder) => {
    const file = writeBoardStandIn(join(folder, 'Qwen3.5-4B-Q4_K_M.gguf'));
    return {
      version: 1,
      gateway: { host: '127.0.0.1', port: 0 },
      machine: { memory: '12GB', reserve: '0MB' },
      devices: { cpu: { lanes: 1 } },
      runtimes: { board: { kind: 'simulated', device: 'cpu' } },
      models: { subject: { runtime: 'board', file, quality: 0.6, keep: 'resident' } },
      classes: { route: { min_quality: 0 }, interactive: { min_quality: 0 }, quality: { min_quality: 0 } },
      clients: [],
    };
  },
  runtimeVersion: /^simulated test-board$/,
  contextTokens: 2048,
};

const KINDS: readonly Kind[] = [
  {
    name: 'llama-server',
    policy: async () => {
      const policy = demoPolicy(['demo-4b']);
      const { 'demo-4b': model } = policy.models;
      const classes = { route: { min_quality: 0 }, interactive: { min_quality: 0 }, quality: { min_quality: 0 } };
      return { ...policy, models: { subject: { ...model } }, classes };
    },
    runtimeVersion: /\d/,
    contextTokens: 2048,
  },
  npu('1.2.3'),
  npu('1.3.0'),
  simulated,
];

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Who are you?' }];

describe.each(KINDS)('runtime kind $name', ({ policy, runtimeVersion, contextTokens }) => {
  let gateway: TestGateway;
  let client: OpenAI;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-contract-'));
    gateway = await startTestGateway(await policy(folder));
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await gateway?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const row = async () => {
    const { models } = await gateway.json('/router/models');
    return models.find(({ id }: { id: string }) => id === 'subject');
  };
  const ask = (max_tokens = 5) => client.chat.completions.create({ model: 'subject', messages, max_tokens });
  /** Begins a long answer; resolves with its first piece. */
  const begin = async (signal?: AbortSignal) => {
    const body = { model: 'subject', messages, stream: true, max_tokens: 1900, ignore_eos: true } as const;
    const stream = await client.chat.completions.create(body, { signal });
    const pieces = stream[Symbol.asyncIterator]();
    await pieces.next();
    return pieces;
  };
  const endOf = async (pieces: AsyncIterator<unknown>): Promise<Error | undefined> => {
    try {
      while (!(await pieces.next()).done);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  };

  it('generates, with the figures of the run', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'subject', messages, max_tokens: 5 })
      .withResponse();
    expect(response.headers.get('x-router-model')).toBe('subject');
    expectSchema('CreateChatCompletionResponse', data);
    expect(data.choices[0]?.message.content?.length).toBeGreaterThan(0);
    expect(data.choices[0]?.finish_reason).toBe('length');
    expect(data.usage?.completion_tokens).toBe(5);
    const { actual } = (data as unknown as { x_router: { actual: Record<string, number> } }).x_router;
    expect(actual['prompt_tokens']).toBeGreaterThan(0);
    expect(actual['prefill_ms']).toBeGreaterThanOrEqual(0);
    expect(actual['decode_ms']).toBeGreaterThan(0);
  });

  it('streams the same words, chunk by chunk, with usage where it is asked for', async () => {
    const whole = await client.chat.completions.create({ model: 'subject', messages, max_tokens: 5, temperature: 0 });
    const body = { model: 'subject', messages, max_tokens: 5, temperature: 0 } as const;
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.at(-1)?.usage?.completion_tokens).toBe(5);
  });

  it('tells what it is and can do', async () => {
    const model = await row();
    expect(model).toMatchObject({
      state: { kind: 'ready' },
      availability: { kind: 'available' },
      facts: { context_tokens: contextTokens, capabilities: { streaming: true } },
    });
    expect(model.facts.weights_bytes).toBeGreaterThan(0);
    expect(model.runtime_version).toMatch(runtimeVersion);
    expect(model.last_load_ms).toBeGreaterThan(0);
  });

  it('is free at once when the client leaves in the middle of an answer', async () => {
    const { pid } = await row();
    const abort = new AbortController();
    const pieces = await begin(abort.signal);
    abort.abort();
    await endOf(pieces);
    await gateway.idle();
    expect((await ask()).usage?.completion_tokens).toBe(5);
    expect((await row()).pid).toBe(pid);
  });

  it('tells the client when its process dies in the middle of an answer, and answers the next from a new one', async () => {
    const { pid } = await row();
    const pieces = await begin();
    process.kill(pid, 'SIGKILL');
    expect(await endOf(pieces)).toBeInstanceOf(Error);
    expect((await ask()).usage?.completion_tokens).toBe(5);
    expect((await row()).pid).not.toBe(pid);
  });

  it('is replaced when its process hangs', async () => {
    const { pid } = await row();
    const abort = new AbortController();
    const pieces = await begin(abort.signal);
    process.kill(pid, 'SIGSTOP');
    abort.abort();
    await endOf(pieces);
    await until('the hanging process is gone', () => !isAlive(pid));
    expect((await ask()).usage?.completion_tokens).toBe(5);
  });

  it('leaves no process when the gateway stops', async () => {
    const { pid } = await row();
    await gateway.stop();
    expect(isAlive(pid)).toBe(false);
  });
});
