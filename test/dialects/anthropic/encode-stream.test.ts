import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import { createStreamWriter } from '../../../src/dialects/anthropic/encode-stream.ts';

const context = { requestId: requestId('req_7'), receivedAtMs: 0, promptTokens: 5, nowMs: () => 0 };
const DONE = 'data: [DONE]\n\n';
const recorded = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'dialects', 'engine', `${name}.sse`));
const writerOf = (showsThinking = true) =>
  createStreamWriter({ context, ignored: [], showsThinking, prefill: '', maxTokens: () => 64 });
const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`;

/** Every event's data; its name must be its type. */
function eventsOf(text: string) {
  return text
    .split('\n\n')
    .filter((part) => part !== '')
    .map((part) => {
      const [, name, data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(part) ?? [];
      const event = JSON.parse(data);
      expect(event.type).toBe(name);
      return event;
    });
}

const written = (stream: Buffer | string, writer = writerOf()) =>
  eventsOf(String(writer.begin(modelId('demo-4b'))) + String(writer.end(Buffer.from(stream))));
/** Blocks as a client puts them together; checks that one is open at a time and that they are numbered. */
function blocksOf(events: ReturnType<typeof eventsOf>) {
  const blocks: { type: string; name?: string; text: string }[] = [];
  let open = -1;
  for (const event of events) {
    if (event.type === 'content_block_start') {
      expect([event.index, open]).toEqual([blocks.length, -1]);
      open = event.index;
      const { type, name } = event.content_block;
      blocks.push({ type, ...(name !== undefined && { name }), text: '' });
    } else if (event.type === 'content_block_delta') {
      expect(event.index).toBe(open);
      const { text, thinking, partial_json: json } = event.delta;
      (blocks[open] as { text: string }).text += text ?? thinking ?? json;
    } else if (event.type === 'content_block_stop') {
      expect(event.index).toBe(open);
      open = -1;
    }
  }
  expect(open).toBe(-1);
  return blocks;
}

describe('a streamed message', () => {
  it('begins with what is predicted and ends with what was', () => {
    const events = written(recorded('llama-text'));
    expect(events[0]).toEqual({
      type: 'message_start',
      message: {
        ...{ id: 'msg_7', type: 'message', role: 'assistant', model: 'demo-4b', content: [] },
        ...{ stop_reason: null, stop_sequence: null },
        usage: { input_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
      },
    });
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { input_tokens: expect.any(Number), output_tokens: 11 },
      x_router: { model: 'demo-4b' },
    });
    expect(events.at(-1)).toEqual({ type: 'message_stop' });
    expect(blocksOf(events)).toEqual([
      { type: 'text', text: 'I am the 4B tier, answering from the middle of the range.' },
    ]);
  });

  it('has a block for thoughts, unless they are not wanted', () => {
    const text = { type: 'text', text: 'Ulm, é.' };
    expect(blocksOf(written(recorded('npu-thinking')))).toEqual([
      { type: 'thinking', text: 'It asks for a city.' },
      text,
    ]);
    expect(blocksOf(written(recorded('npu-thinking'), writerOf(false)))).toEqual([text]);
  });

  it('has a block for each call, its arguments in pieces', () => {
    const events = written(recorded('llama-tool-call'));
    expect(blocksOf(events)).toEqual([{ type: 'tool_use', name: 'get_weather', text: '{"city": "Berlin"}' }]);
    expect(events.find(({ type }) => type === 'content_block_start').content_block.input).toEqual({});
    const call = (index: number, name: string) => ({ tool_calls: [{ index, id: `c${index}`, function: { name } }] });
    const more = { tool_calls: [{ index: 1, function: { arguments: '{}' } }] };
    const stream = chunk({ content: 'So: ' }) + chunk(call(0, 'a')) + chunk(call(1, 'b')) + chunk(more) + DONE;
    expect(blocksOf(written(stream))).toEqual([
      { type: 'text', text: 'So: ' },
      { type: 'tool_use', name: 'a', text: '' },
      { type: 'tool_use', name: 'b', text: '{}' },
    ]);
  });

  it('names the stop sequence that was met', () => {
    const delta = written(recorded('llama-stop')).at(-2).delta;
    expect(delta).toEqual({ stop_reason: 'stop_sequence', stop_sequence: ' tier' });
  });

  it('is whole where the engine had nothing to say', () => {
    const events = written(chunk({}, { finish_reason: 'stop' }) + DONE);
    expect(events.map(({ type }) => type)).toEqual(['message_start', 'message_delta', 'message_stop']);
    expect(events[1].delta.stop_reason).toBe('end_turn');
  });

  it('waits with pings, and fails with an error event', () => {
    const writer = writerOf();
    const error = new GatewayError('model_unavailable', 'it will not start');
    const text = writer.heartbeat(undefined) + writer.failed(error);
    expect(eventsOf(text)).toEqual([
      { type: 'ping' },
      {
        type: 'error',
        error: { type: 'overloaded_error', message: 'it will not start' },
        request_id: 'req_7',
      },
    ]);
  });

  it('keeps every character, whatever it is and however it comes', () => {
    const piece = fc.tuple(fc.boolean(), fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const stream = pieces.map(([isThought, text]) =>
          chunk(isThought ? { reasoning_content: text } : { content: text }),
        );
        const blocks = blocksOf(written(stream.join('') + DONE));
        const joined = (type: string) => blocks.flatMap((block) => (block.type === type ? [block.text] : [])).join('');
        const sent = (thoughts: boolean) => pieces.flatMap(([is, text]) => (is === thoughts ? [text] : [])).join('');
        expect([joined('text'), joined('thinking')]).toEqual([sent(false), sent(true)]);
      }),
      { seed: 6 },
    );
  });
});
