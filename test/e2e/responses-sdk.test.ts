import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import type { FunctionTool, Response, ResponseInputItem } from 'openai/resources/responses/responses';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { demoPolicy, type Parsed, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// OpenAI's own client at `/v1/responses`, over a llama-server and over NPU models, and a request of Codex's shape.

const KEY = 'sk-test-0123456789';
const THOUGHT = '<think>|It asks| for a city.|</think>|\\n\\n|Ulm|.';
const CALL = '<tool_call>|\\n{"name": "get_|weather", "arguments": {"city": "Ulm"}}|\\n</tool_call>';

let gateway: TestGateway;
let client: OpenAI;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-responses-'));
  const npuModel = (name: string, answer: string) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { answer, context: 4096, decode_ms: 1 }),
    quality: 0.6,
  });
  const policy = demoPolicy(['demo-4b']);
  const settings = policy.runtimes['llama']?.['settings'] as Record<string, unknown>;
  settings['threads'] = 1;
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.2.3') };
  policy.models['thinker'] = npuModel('thinker', THOUGHT);
  policy.models['caller'] = npuModel('caller', CALL);
  policy.gateway = { ...policy.gateway, early_headers: '50ms', heartbeat: '100ms' };
  policy.clients = [{ name: 'agent', key_env: 'SLUICE_TEST_KEY_AGENT' }];
  gateway = await startTestGateway(policy, { environment: { ...process.env, SLUICE_TEST_KEY_AGENT: KEY } });
  client = clientWith(KEY);
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const clientWith = (apiKey: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
const weather: FunctionTool = {
  type: 'function',
  name: 'get_weather',
  description: 'Weather of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: false,
};
const callOf = (response: Response) => {
  const call = response.output.find(({ type }) => type === 'function_call');
  if (call?.type !== 'function_call') throw new Error('no function was called');
  return call;
};

describe('responses.create', () => {
  it('answers a string', async () => {
    const response = await client.responses.create({ model: 'auto', input: 'Who are you?', instructions: 'Be brief.' });
    expect(response.output_text).toBe(sentenceOf('demo-4b'));
    expect(response).toMatchObject({ status: 'completed', model: 'demo-4b', store: false, instructions: 'Be brief.' });
    expect(response.usage?.total_tokens).toBeGreaterThan(10);
    expect((response as Parsed).x_router).toMatchObject({ model: 'demo-4b', class: 'interactive' });
  });

  it('says when the length ran out', async () => {
    const input = [{ role: 'user', content: 'Who are you?' }] as const;
    const response = await client.responses.create({ model: 'demo-4b', input: [...input], max_output_tokens: 3 });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.output_text).toBe('I am the');
  });

  it.each([
    ['demo-4b', 'Berlin'],
    ['caller', 'Ulm'],
  ])('of %s calls a tool and takes its result', async (model, city) => {
    const input: ResponseInputItem[] = [{ role: 'user', content: `What is the weather in ${city}?` }];
    const first = await client.responses.create({ model, input, tools: [weather] });
    const call = callOf(first);
    expect(call).toMatchObject({ name: 'get_weather', arguments: `{"city": "${city}"}` });
    const output: ResponseInputItem = { type: 'function_call_output', call_id: call.call_id, output: 'rain' };
    const second = await client.responses.create({ model, input: [...input, call, output], tools: [weather] });
    expect(second.status).toBe('completed');
    if (model === 'demo-4b') expect(second.output_text).toBe(sentenceOf('demo-4b'));
  });

  it('holds an answer to a schema', async () => {
    const schema = {
      type: 'object',
      properties: { answer: { type: 'string' } },
      required: ['answer'],
      additionalProperties: false,
    };
    const response = await client.responses.create({
      model: 'demo-4b',
      input: 'Who are you?',
      text: { format: { type: 'json_schema', name: 'answer', schema, strict: true } },
    });
    expect(JSON.parse(response.output_text)).toEqual({ answer: expect.any(String) });
  });
});

describe('responses.stream', () => {
  it('is accepted by the SDK and ends with the whole response', async () => {
    const stream = client.responses.stream({ model: 'demo-4b', input: 'Who are you?' });
    let text = '';
    stream.on('response.output_text.delta', ({ delta, snapshot }) => {
      text += delta;
      expect(snapshot).toBe(text);
    });
    const response = await stream.finalResponse();
    expect(text).toBe(sentenceOf('demo-4b'));
    expect(response).toMatchObject({ status: 'completed', output_text: text });
  });

  it('gives thoughts apart from the answer', async () => {
    const response = await client.responses.stream({ model: 'thinker', input: 'A city, please.' }).finalResponse();
    expect(response.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'It asks for a city.' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Ulm.' }] },
    ]);
  });

  it('has the arguments of a call in pieces', async () => {
    const stream = client.responses.stream({ model: 'demo-4b', input: 'Weather in Berlin?', tools: [weather] });
    let pieces = '';
    for await (const event of stream)
      if (event.type === 'response.function_call_arguments.delta') pieces += event.delta;
    expect(pieces).toBe('{"city": "Berlin"}');
    expect(callOf(await stream.finalResponse()).arguments).toBe(pieces);
  });

  it('is told by events that it still waits, and loses nothing by them', async () => {
    const endless = {
      model: 'demo-4b',
      input: 'Who are you?',
      stream: true,
      ...({ ignore_eos: true } as object),
    } as const;
    const holding = await client.responses.create(endless);
    const waiting = client.responses.stream({ model: 'demo-4b', input: 'Who are you?' });
    let beats = 0;
    waiting.on('response.in_progress', () => {
      beats += 1;
      if (beats === 3) holding.controller.abort();
    });
    const [response] = await Promise.all([waiting.finalResponse(), holding[Symbol.asyncIterator]().next()]);
    expect(response).toMatchObject({ status: 'completed', output_text: sentenceOf('demo-4b') });
    expect(beats).toBeGreaterThanOrEqual(3);
  });

  it('stops the engine when the client leaves', async () => {
    const stream = await client.responses.create({
      model: 'demo-4b',
      input: 'Who are you?',
      stream: true,
      ...({ ignore_eos: true } as object),
    });
    for await (const event of stream) if (event.type === 'response.output_text.delta') break;
    await until('the abort is noticed', () => gateway.records().at(-1)?.outcome.kind === 'cancelled');
    const abort = new AbortController();
    const leaving = client.responses.create({ model: 'demo-4b', input: 'Who are you?' }, { signal: abort.signal });
    abort.abort();
    await expect(leaving).rejects.toBeInstanceOf(APIUserAbortError);
  });
});

describe('completions.create', () => {
  it('goes on with a raw prompt, whole and streamed', async () => {
    const prompt = 'Who are you?';
    const whole = await client.completions.create({ model: 'auto', prompt, max_tokens: 30 });
    expect(whole).toMatchObject({ model: 'demo-4b', x_router: { model: 'demo-4b' } });
    expect(whole.choices[0]?.text).toBe(sentenceOf('demo-4b'));
    const stream = await client.completions.create({ model: 'demo-4b', prompt, max_tokens: 30, stream: true });
    let text = '';
    let last: Parsed;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      last = chunk;
    }
    expect(text).toBe(sentenceOf('demo-4b'));
    expect(last.x_router.actual.ttft_ms).toBeLessThan(last.x_router.actual.e2e_ms);
  });

  it('completes several prompts, and prompts of tokens', async () => {
    const texts = await client.completions.create({ model: 'demo-4b', prompt: ['one', 'two'], max_tokens: 3 });
    expect(texts.choices.map(({ text }) => text)).toEqual(['I am the', 'I am the']);
    const tokens = await client.completions.create({ model: 'demo-4b', prompt: [1, 2, 3], max_tokens: 3 });
    expect(tokens.choices[0]?.text).toBe('I am the');
  });

  it('is refused where the model only knows conversations, and where the engine would be silent', async () => {
    const ask = (added: object) =>
      client.completions.create({ model: 'demo-4b', prompt: 'a', stream: false, ...added });
    await expect(ask({ model: 'thinker' })).rejects.toMatchObject({ status: 400, code: 'unsupported_feature' });
    await expect(ask({ suffix: 'b' })).rejects.toMatchObject({ status: 400, param: 'suffix' });
    const long = ask({ prompt: 'many words '.repeat(3000) });
    await expect(long).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'prompt' });
  });
});

describe('a child that dies', () => {
  it('in the middle of an answer fails the response, and the SDK throws', async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const { models } = (await (await fetch(`${gateway.url}/router/models`, { headers })).json()) as Parsed;
    const { pid } = models.find(({ id }: { id: string }) => id === 'demo-4b');
    const stream = await client.responses.create({
      model: 'demo-4b',
      input: 'Who are you?',
      stream: true,
      ...({ ignore_eos: true } as object),
    });
    const types = new Set<string>();
    const reading = async () => {
      for await (const event of stream) {
        if (event.type === 'response.output_text.delta' && !types.has(event.type)) process.kill(pid, 'SIGKILL');
        if (event.type === 'response.failed') expect(event.response.error?.message).toContain('broke off');
        types.add(event.type);
      }
    };
    await expect(reading()).rejects.toMatchObject({ error: { code: 'runtime_failed' } });
    expect([...types].slice(-2)).toEqual(['response.output_item.done', 'response.failed']);
    // Its successor answers the next one.
    const again = await client.responses.create({ model: 'demo-4b', input: 'Who are you?' });
    expect(again.output_text).toBe(sentenceOf('demo-4b'));
  });
});

describe('what Codex sends', () => {
  it('is answered, with what could not be honoured named', async () => {
    const body = {
      model: 'thinker',
      input: [
        {
          type: 'message',
          role: 'developer',
          content: [{ type: 'input_text', text: '<permissions>read-only</permissions>' }],
        },
        {
          type: 'message',
          role: 'user',
          content: [{ type: 'input_text', text: '<environment_context>…</environment_context>' }],
        },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is the weather in Berlin?' }] },
      ],
      tools: [
        { type: 'namespace', name: 'mcp__home__', description: 'Home', tools: [{ ...weather }] },
        {
          type: 'custom',
          name: 'apply_patch',
          description: 'Edits files.',
          format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
        },
        { type: 'web_search', external_web_access: false },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: false,
      reasoning: { effort: 'medium', summary: 'auto' },
      store: false,
      stream: true,
      include: ['reasoning.encrypted_content'],
      prompt_cache_key: '0199a213',
      client_metadata: { 'x-codex-window-id': '0199a213:0' },
      text: { verbosity: 'medium' },
    };
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${KEY}` };
    const reply = await fetch(`${gateway.url}/v1/responses`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(reply.headers.get('content-type')).toBe('text/event-stream');
    const text = await reply.text();
    const last = JSON.parse(text.trimEnd().split('\ndata: ').at(-1) as string);
    expect(last.type).toBe('response.completed');
    expect(last.response.x_router.ignored).toEqual([
      'text.verbosity',
      'reasoning.summary',
      'tools[1].format (told to the model, not enforced)',
      'tools[2] (web_search)',
      // What the runtime adds.
      'reasoning.effort',
      'parallel_tool_calls',
    ]);
  });
});

describe('errors', () => {
  const input = 'Who are you?';
  it.each([
    ['an unknown model', { model: 'nope', input }, NotFoundError, { code: 'model_not_found', param: 'model' }],
    [
      'a stored response',
      { model: 'auto', input, previous_response_id: 'resp_1' },
      BadRequestError,
      { param: 'previous_response_id' },
    ],
    ['the background', { model: 'auto', input, background: true }, BadRequestError, { param: 'background' }],
    [
      'a tool nobody runs',
      { model: 'auto', input, tools: [{ type: 'code_interpreter', container: 'auto' }] },
      BadRequestError,
      { param: 'tools[0].type' },
    ],
    [
      'a prompt that does not fit',
      { model: 'thinker', input: 'many words '.repeat(9000) },
      BadRequestError,
      { code: 'context_length_exceeded', param: 'input' },
    ],
    [
      'an image where no model sees',
      {
        model: 'auto',
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,AA==' }] }],
      },
      BadRequestError,
      { code: 'unsupported_feature' },
    ],
    [
      'a schema on a model without grammars',
      { model: 'thinker', input, text: { format: { type: 'json_object' } } },
      BadRequestError,
      { code: 'unsupported_feature' },
    ],
  ])('refuse %s', async (_, body, kind, error) => {
    const failure = client.responses.create(body as Parsed);
    await expect(failure).rejects.toBeInstanceOf(kind);
    await expect(failure).rejects.toMatchObject(error);
  });

  it('refuse a wrong key and a body that is no JSON', async () => {
    await expect(clientWith('wrong').responses.create({ model: 'auto', input })).rejects.toBeInstanceOf(
      AuthenticationError,
    );
    const headers = { authorization: `Bearer ${KEY}` };
    const reply = await fetch(`${gateway.url}/v1/responses`, { method: 'POST', headers, body: '{"input": ' });
    expect([reply.status, ((await reply.json()) as Parsed).error.type]).toEqual([400, 'invalid_request_error']);
  });

  it('say that nothing is stored', async () => {
    const ask = [
      () => client.responses.retrieve('resp_1'),
      () => client.responses.cancel('resp_1'),
      () => client.responses.inputItems.list('resp_1'),
    ];
    for (const asked of ask) {
      await expect(asked()).rejects.toMatchObject({ status: 404, message: expect.stringContaining('not stored') });
    }
  });
});
