import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { demoModel, demoPolicy, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// Vercel's AI SDK with its provider for whatever is like OpenAI, over a llama-server and over an NPU model.

const KEY = 'sk-test-0123456789';
let gateway: TestGateway;
let folder: string;
let provider: ReturnType<typeof providerWith>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ai-sdk-'));
  const policy = demoPolicy(['demo-4b']);
  const settings = policy.runtimes['llama']?.['settings'] as Record<string, unknown>;
  settings['threads'] = 1;
  policy.models['vectors'] = { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } };
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.2.3') };
  const answer = '<think>|It asks| for a city.|</think>|\\n\\n|Ulm|.';
  const file = writeStandIn(join(folder, 'thinker.rkllm'), { answer, context: 512, decode_ms: 1 });
  policy.models['thinker'] = { runtime: 'npu', file, quality: 0.6 };
  policy.clients = [{ name: 'app', key_env: 'SLUICE_TEST_KEY_APP' }];
  gateway = await startTestGateway(policy, { environment: { ...process.env, SLUICE_TEST_KEY_APP: KEY } });
  provider = providerWith(KEY);
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const providerWith = (apiKey: string) =>
  createOpenAICompatible({
    name: 'sluice',
    baseURL: `${gateway.url}/v1`,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const prompt = 'Who are you?';
const schema = jsonSchema<{ answer: string }>({
  type: 'object',
  properties: { answer: { type: 'string' } },
  required: ['answer'],
  additionalProperties: false,
});

describe('generateText', () => {
  it('answers', async () => {
    const { text, finishReason, usage, response } = await generateText({ model: provider('auto'), prompt });
    expect(text).toBe(sentenceOf('demo-4b'));
    expect(finishReason).toBe('stop');
    expect(usage.totalTokens).toBeGreaterThan(10);
    expect(response.modelId).toBe('demo-4b');
  });

  it('calls a tool, runs it and answers its result', async () => {
    const asked: unknown[] = [];
    const weather = tool({
      description: 'Weather of a city.',
      inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
      execute: async (input) => {
        asked.push(input);
        return { sky: 'blue' };
      },
    });
    const { text, steps } = await generateText({
      model: provider('demo-4b'),
      prompt: 'What is the weather in Berlin?',
      tools: { get_weather: weather },
      stopWhen: stepCountIs(2),
    });
    expect(asked).toEqual([{ city: 'Berlin' }]);
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    expect(text).toBe(sentenceOf('demo-4b'));
  });

  it('gives an object that fits a schema', async () => {
    const { output } = await generateText({ model: provider('demo-4b'), prompt, output: Output.object({ schema }) });
    expect(output).toEqual({ answer: expect.any(String) });
  });
});

describe('streamText', () => {
  it('streams, with usage', async () => {
    const { textStream, usage } = streamText({ model: provider('demo-4b'), prompt });
    let text = '';
    for await (const part of textStream) text += part;
    expect(text).toBe(sentenceOf('demo-4b'));
    expect((await usage).outputTokens).toBeGreaterThan(5);
  });

  it('gives thoughts apart from the answer', async () => {
    const result = streamText({ model: provider('thinker'), prompt: 'A city, please.' });
    expect([await result.text, await result.reasoningText]).toEqual(['Ulm.', 'It asks for a city.']);
  });

  it('stops the engine when it is aborted', async () => {
    const abort = new AbortController();
    const { textStream } = streamText({
      model: provider('demo-4b'),
      prompt,
      abortSignal: abort.signal,
      maxOutputTokens: 1900,
      providerOptions: { sluice: { ignore_eos: true } },
    });
    let parts = 0;
    for await (const _ of textStream) {
      parts += 1;
      if (parts === 3) abort.abort();
    }
    expect(parts).toBeLessThan(1900);
    await until('the abort is noticed', () => gateway.records().at(-1)?.outcome.kind === 'cancelled');
    expect((await generateText({ model: provider('demo-4b'), prompt })).finishReason).toBe('stop');
  });
});

describe('embedMany', () => {
  it('gives a vector for each text', async () => {
    const model = provider.embeddingModel('vectors');
    const { embeddings } = await embedMany({ model, values: ['one', 'two'] });
    expect(embeddings).toHaveLength(2);
    expect(embeddings[0]?.length).toBeGreaterThan(8);
  });
});

describe('errors', () => {
  const failure = (model: ReturnType<typeof provider>, asked = prompt) =>
    generateText({ model, prompt: asked, maxRetries: 0 }).catch((thrown: unknown) => thrown);

  it.each([
    ['an unknown model', () => provider('nope'), 404, 'model_not_found'],
    ['a wrong key', () => providerWith('wrong')('auto'), 401, 'invalid_api_key'],
  ])('are API errors: %s', async (_, model, statusCode, code) => {
    const thrown = await failure(model());
    expect(thrown).toBeInstanceOf(APICallError);
    expect(thrown).toMatchObject({ statusCode, data: { error: { code } } });
  });

  it('are API errors: a prompt that does not fit', async () => {
    const thrown = await failure(provider('thinker'), 'many words '.repeat(2000));
    expect(thrown).toMatchObject({ statusCode: 400, data: { error: { code: 'context_length_exceeded' } } });
  });
});
