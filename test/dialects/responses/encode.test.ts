import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { accumulateResponse } from 'openai/lib/responses/ResponseAccumulator';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import type { ReplyWriter } from '../../../src/dialects/codec.ts';
import { openAiResponses } from '../../../src/dialects/responses/codec.ts';

type Parsed = ReturnType<typeof JSON.parse>;

const recorded = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/dialects/engine', name));
const tools = [{ type: 'function', name: 'get_weather' }];

function writerFor(body: object): ReplyWriter {
  const decoded = openAiResponses.decode(Buffer.from(JSON.stringify({ input: 'hi', ...body })), () => undefined);
  return decoded.writer({
    requestId: requestId('req_0a1b'),
    receivedAtMs: 1_700_000_000_500,
    promptTokens: 5,
    nowMs: () => 1_700_000_003_500,
  });
}

/** A stream as the run hands it over: whole events in pieces, the last ones in `end`. */
function streamed(name: string, body: object = {}, pieces: readonly number[] = []): string {
  const events = recorded(name)
    .toString()
    .split(/(?<=\n\n)/);
  // The usage event and `[DONE]` come together.
  const last = events.splice(-2).join('');
  const writer = writerFor({ stream: true, ...body });
  let text = String(writer.begin(modelId('demo-4b')));
  for (const size of pieces) text += writer.events(Buffer.from(events.splice(0, size).join('')));
  text += writer.events(Buffer.from(events.join('')));
  return text + String(writer.end(Buffer.from(last)));
}

function whole(name: string, body: object = {}): Parsed {
  const writer = writerFor(body);
  expect(writer.begin(modelId('demo-4b'))).toBe('');
  return JSON.parse(String(writer.end(recorded(name))));
}

function eventsOf(text: string): Parsed[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const [, type, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      const event = JSON.parse(data as string);
      expect(event.type).toBe(type);
      return event;
    });
}

/** Types in order; a run of the same one counts once. */
const sequenceOf = (events: readonly Parsed[]): string[] =>
  events.map(({ type }) => type.replace('response.', '')).filter((type, index, all) => type !== all[index - 1]);

/** What OpenAI's SDK makes of the events; throws where they do not fit. */
function accumulated(events: readonly Parsed[]): Parsed {
  let response: Parsed;
  for (const event of events) response = accumulateResponse(event, response);
  return response;
}

describe('a stream', () => {
  it('is the full sequence of events with a number each', () => {
    const events = eventsOf(streamed('llama-text.sse'));
    expect(sequenceOf(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1).response).toMatchObject({
      id: 'resp_0a1b',
      object: 'response',
      created_at: 1_700_000_000,
      completed_at: 1_700_000_003,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'demo-4b',
      store: false,
      usage: { input_tokens: 36, output_tokens: 11, total_tokens: 47 },
      x_router: { model: 'demo-4b' },
    });
  });

  it('says when the length ran out', () => {
    const { type, response } = eventsOf(streamed('llama-length.sse', { max_output_tokens: 3 })).at(-1);
    expect(type).toBe('response.incomplete');
    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      max_output_tokens: 3,
      output: [{ status: 'incomplete', content: [{ text: 'I am the' }] }],
    });
  });

  it('has a call with its arguments in pieces', () => {
    const events = eventsOf(streamed('llama-tool-call.sse', { tools }));
    expect(sequenceOf(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    const [item] = events.at(-1).response.output;
    expect(item).toMatchObject({ type: 'function_call', name: 'get_weather', arguments: '{"city": "Berlin"}' });
    expect(item.call_id).not.toBe('');
  });

  it('has thoughts as an item of their own', () => {
    const events = eventsOf(streamed('npu-thinking.sse'));
    expect(sequenceOf(events)).toContain('reasoning_text.delta');
    expect(accumulated(events).output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'It asks for a city.' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Ulm, é.' }] },
    ]);
  });

  it("writes a custom tool's call as its text", () => {
    const custom = eventsOf(streamed('llama-tool-call.sse', { tools: [{ type: 'custom', name: 'get_weather' }] }));
    expect(sequenceOf(custom)).toContain('custom_tool_call_input.delta');
    // Not what the tool asked for: then the text is what the model wrote.
    expect(custom.at(-1).response.output[0]).toMatchObject({
      type: 'custom_tool_call',
      name: 'get_weather',
      input: '{"city": "Berlin"}',
    });
  });

  it.each([
    ['{"input":"*** Begin"}', { type: 'custom_tool_call', input: '*** Begin' }, { type: 'custom', name: 'patch' }],
    ['{"inp', { type: 'custom_tool_call', input: '{"inp' }, { type: 'custom', name: 'patch' }],
    ['{"q', { type: 'function_call', namespace: 'mcp', arguments: '{"q' }, { type: 'function', name: 'patch' }],
  ])('writes the arguments %s in the words of their tool', (given, expected, tool) => {
    const offered = tool.type === 'function' ? { type: 'namespace', name: 'mcp', tools: [tool] } : tool;
    const called = { name: tool.type === 'function' ? 'mcp__patch' : 'patch', arguments: given };
    const chunk = { choices: [{ delta: { tool_calls: [{ index: 0, id: 'c', function: called }] } }] };
    const writer = writerFor({ stream: true, tools: [offered] });
    const begun = String(writer.begin(modelId('m'))) + writer.events(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`));
    const last = 'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n';
    const { output } = eventsOf(begun + String(writer.end(Buffer.from(last)))).at(-1).response;
    expect(output).toMatchObject([{ ...expected, name: 'patch', call_id: 'c', status: 'completed' }]);
  });

  it.each([
    ['llama-text', {}],
    ['llama-tool-call', { tools }],
    ['npu-thinking', {}],
    ['npu-tool-call', { tools }],
  ])('of %s adds up to what its whole reply says', (name, body) => {
    const events = eventsOf(streamed(`${name}.sse`, body));
    const reply = whole(`${name}.json`, body);
    const { output, status } = accumulated(events);
    const plain = (items: Parsed[]) => items.map(({ call_id: _, ...item }) => item);
    expect(plain(output)).toEqual(plain(reply.output));
    expect(status).toBe(reply.status);
    expect(JSON.stringify(reply)).not.toContain('undefined');
  });

  it('is the same however the events arrive', () => {
    const expected = streamed('npu-thinking.sse');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }), (pieces) => {
        expect(streamed('npu-thinking.sse', {}, pieces)).toBe(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('carries any text unharmed', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', minLength: 1 }), { minLength: 1, maxLength: 5 }), (texts) => {
        const writer = writerFor({ stream: true });
        let out = String(writer.begin(modelId('m')));
        for (const content of texts)
          out += writer.events(Buffer.from(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`));
        out += writer.end(Buffer.from('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'));
        expect(accumulated(eventsOf(out)).output_text).toBe(Buffer.from(texts.join('')).toString());
      }),
      { numRuns: 30 },
    );
  });

  it('of nothing is still a message', () => {
    const writer = writerFor({ stream: true });
    writer.begin(modelId('m'));
    const last = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const { response } = eventsOf(String(writer.end(Buffer.from(last)))).at(-1);
    expect(response).toMatchObject({ output: [{ type: 'message', content: [{ text: '' }] }], usage: null });
  });
});

describe('the heartbeat', () => {
  it('is an event, because an agent that waits for events counts no comments', () => {
    const writer = writerFor({ stream: true });
    const beats = writer.heartbeat(undefined) + writer.heartbeat(modelId('demo-9b')) + writer.begin(modelId('demo-4b'));
    const last = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const events = eventsOf(beats + String(writer.end(Buffer.from(last))));
    expect(events.slice(0, 3).map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.in_progress',
    ]);
    expect(accumulated(events)).toMatchObject({ model: 'demo-4b', status: 'completed' });
  });

  it('is white space where there is no stream', () => {
    expect(writerFor({}).heartbeat(undefined).trim()).toBe('');
  });
});

describe('a failure', () => {
  const error = new GatewayError('runtime_failed', 'demo-4b died');

  it('in the middle of a stream closes what was open and is told twice, for agents and for SDKs', () => {
    const writer = writerFor({ stream: true });
    const begun = String(writer.begin(modelId('demo-4b')));
    const part = String(writer.events(Buffer.from('data: {"choices":[{"delta":{"content":"I am"}}]}\n\n')));
    const events = eventsOf(begun + part + writer.failed(error));
    expect(sequenceOf(events).slice(-3)).toEqual(['output_item.done', 'failed', 'error']);
    expect(events.at(-2).response).toMatchObject({
      status: 'failed',
      error: { code: 'runtime_failed', message: 'demo-4b died' },
      output: [{ status: 'incomplete', content: [{ text: 'I am' }] }],
    });
    expect(events.at(-1)).toMatchObject({ code: 'runtime_failed', error: { message: 'demo-4b died' } });
  });

  it('before the first word begins the sequence first', () => {
    expect(sequenceOf(eventsOf(writerFor({ stream: true }).failed(error)))).toEqual([
      'created',
      'in_progress',
      'failed',
      'error',
    ]);
  });

  it("names the client's own field", () => {
    const tooLong = new GatewayError('context_length_exceeded', 'too long', { param: 'messages' });
    expect(JSON.parse(openAiResponses.encodeError(tooLong).body).error).toMatchObject({ param: 'input' });
    expect(JSON.parse(writerFor({}).failed(tooLong)).error).toMatchObject({ param: 'input' });
  });
});

describe('a whole reply', () => {
  it('tells what was not honoured beside what the runtime says', () => {
    const reply = whole('llama-text.json', { truncation: 'auto' });
    expect(reply.x_router).toMatchObject({ model: 'demo-4b', ignored: ['truncation'] });
    expect(reply.output).toEqual([
      {
        id: 'msg_0a1b_0',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [
          {
            type: 'output_text',
            text: 'I am the 4B tier, answering from the middle of the range.',
            annotations: [],
            logprobs: [],
          },
        ],
      },
    ]);
  });
});
