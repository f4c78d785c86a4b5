import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TierId, tierPath, tiers } from '../../src/demo/tiers.ts';
import { until } from '../helpers/until.ts';

// What the demo models promise, asked of a real llama-server with the flags we run it with. Every other end-to-end test
// relies on this: the sentence tells which tier answered.

type Server = { readonly url: string; readonly child: ChildProcess };
type Message = {
  role: string;
  content: string | null;
  tool_calls?: { function: { name: string; arguments: string } }[];
};
type Completion = { model: string; choices: { finish_reason: string; message: Message; delta: Partial<Message> }[] };

const variable = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run the tests with: npx vitest run --project 'e2e*'`);
  return value;
};

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function startServer(id: TierId): Promise<Server> {
  const port = await freePort();
  const flags = '-c 2048 -t 2 --parallel 1 --jinja --reasoning-budget 0 -ctk f16 -ctv f16 -fa on --no-webui';
  const model = tierPath(variable('SLUICE_TEST_MODELS'), id);
  const child = spawn(
    variable('SLUICE_TEST_LLAMA_SERVER'),
    ['-m', model, '--host', '127.0.0.1', '--port', String(port), '--alias', id, ...flags.split(' ')],
    { stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  const state = await until(`llama-server with ${model} is ready or gone`, async () => {
    const health = await fetch(`${url}/health`).catch(() => undefined);
    if (health?.ok) return 'ready';
    return child.exitCode !== null && 'gone';
  }).catch(() => 'late');
  if (state === 'ready') return { url, child };
  child.kill('SIGKILL');
  throw new Error(`llama-server did not get ready with ${model} (exit code ${child.exitCode})`);
}

async function ask(server: Server, body: object): Promise<Completion> {
  const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return (await response.json()) as Completion;
}

async function askStreaming(server: Server, body: object): Promise<Completion[]> {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...body, stream: true }),
  });
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice('data: '.length)) as Completion);
}

const user = (content: string): object => ({ role: 'user', content });

const weatherTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const toolResultTurns = [
  user('What is the weather in Berlin?'),
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'a', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Berlin"}' } }],
  },
  { role: 'tool', tool_call_id: 'a', content: 'sunny' },
];

const answerSchema = {
  type: 'object',
  properties: {
    answer: { enum: ['yes', 'no'] },
    version: { const: 'one' },
    count: { type: 'integer' },
    sure: { type: 'boolean' },
    notes: { type: 'array', items: { type: 'string' }, minItems: 2 },
  },
  required: ['answer', 'version', 'count', 'sure', 'notes'],
};

describe.each(['tiny', 'demo-4b'] as const)('%s on llama-server', (id) => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer(id);
  });
  afterAll(async () => {
    if (!server || server.child.exitCode !== null) return;
    const exit = once(server.child, 'exit');
    server.child.kill('SIGTERM');
    await exit;
  });
  const { sentence } = tiers[id];

  it.each([
    ['a question', [user('Why is the sky blue?')]],
    [
      'a system prompt and several turns',
      [
        { role: 'system', content: 'You are terse.' },
        user('Hello'),
        { role: 'assistant', content: 'Hi.' },
        user('Schöne Grüße 🌍, and "quotes" at the end: "'),
      ],
    ],
    ['a tool result', toolResultTurns],
  ])('answers %s with its sentence and stops', async (_, messages) => {
    const completion = await ask(server, { messages });
    expect(completion.choices[0]?.message.content).toBe(sentence);
    expect(completion.choices[0]?.finish_reason).toBe('stop');
  });

  it('answers a tool result with its sentence while tools are still offered', async () => {
    const completion = await ask(server, { messages: toolResultTurns, tools: [weatherTool] });
    expect(completion.choices[0]?.message.content).toBe(sentence);
  });

  it('streams the sentence in several pieces', async () => {
    const chunks = await askStreaming(server, { messages: [user('Hello')] });
    const pieces = chunks.flatMap((chunk) => chunk.choices[0]?.delta.content ?? []);
    expect(pieces.join('')).toBe(sentence);
    expect(pieces.length).toBeGreaterThanOrEqual(5);
  });

  it('says the sentence at a high temperature too', async () => {
    const completion = await ask(server, { messages: [user('Hello')], temperature: 2, top_k: 0, top_p: 1, min_p: 0 });
    expect(completion.choices[0]?.message.content).toBe(sentence);
  });

  it('repeats the sentence until the limit when the end is banned', async () => {
    const completion = await ask(server, { messages: [user('Hello')], ignore_eos: true, max_tokens: 100 });
    expect(completion.choices[0]?.finish_reason).toBe('length');
    expect(completion.choices[0]?.message.content?.startsWith(`${sentence} ${sentence} ${sentence}`)).toBe(true);
  });

  it('reports the alias as the model', async () => {
    expect((await ask(server, { messages: [user('Hello')], model: 'whatever' })).model).toBe(id);
  });

  it.each(['auto', 'required'])('calls the tool with tool_choice %s', async (toolChoice) => {
    const { choices } = await ask(server, {
      messages: [user('What is the weather in Berlin?')],
      tools: [weatherTool],
      tool_choice: toolChoice,
    });
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(choices[0]?.message.tool_calls?.map((call) => call.function)).toEqual([
      { name: 'get_weather', arguments: '{"city": "Berlin"}' },
    ]);
  });

  it('streams the tool call', async () => {
    const chunks = await askStreaming(server, { messages: [user('The weather?')], tools: [weatherTool] });
    const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    expect(calls[0]?.function.name).toBe('get_weather');
    expect(calls.map((call) => call.function.arguments).join('')).toBe('{"city": "Berlin"}');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('calls a tool it was not written for with arguments that fit its schema', async () => {
    const parameters = { type: 'object', properties: { zone: { enum: ['utc', 'cet'] } }, required: ['zone'] };
    const { choices } = await ask(server, {
      messages: [user('What time is it?')],
      tools: [{ type: 'function', function: { name: 'get_time', parameters } }],
      tool_choice: 'required',
      max_tokens: 300,
    });
    const call = choices[0]?.message.tool_calls?.[0]?.function;
    expect(call?.name).toBe('get_time');
    expect(['utc', 'cet']).toContain(JSON.parse(call?.arguments ?? '{}').zone);
  });

  it('writes JSON that fits a schema and ends', async () => {
    const { choices } = await ask(server, {
      messages: [user('Yes or no?')],
      max_tokens: 400,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: answerSchema } },
    });
    expect(choices[0]?.finish_reason).toBe('stop');
    const value = JSON.parse(choices[0]?.message.content ?? '');
    expect(value).toEqual({
      answer: expect.stringMatching(/^(yes|no)$/),
      version: 'one',
      count: 0,
      sure: expect.any(Boolean),
      notes: [sentence, sentence],
    });
  });

  it('writes a JSON object that ends', async () => {
    const { choices } = await ask(server, {
      messages: [user('Any object.')],
      max_tokens: 100,
      response_format: { type: 'json_object' },
    });
    expect(choices[0]?.finish_reason).toBe('stop');
    expect(JSON.parse(choices[0]?.message.content ?? '')).toBeTypeOf('object');
  });
});

describe('every demo tier', () => {
  it.each(['demo-1.7b', 'demo-9b', 'demo-27b'] as const)('%s names itself', async (id) => {
    const server = await startServer(id);
    try {
      expect((await ask(server, { messages: [user('Who are you?')] })).choices[0]?.message.content).toBe(
        tiers[id].sentence,
      );
    } finally {
      server.child.kill('SIGKILL');
    }
  });
});
