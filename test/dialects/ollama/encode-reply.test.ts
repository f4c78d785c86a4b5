import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import { OllamaReply, residencyWriter } from '../../../src/dialects/ollama/encode-reply.ts';

const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../fixtures/dialects/ollama', `${name}.json`));

const SENTENCE = 'I am the 4B tier, answering from the middle of the range.';
const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 2);
const context = { requestId: requestId('req_1'), receivedAtMs: NOW_MS - 2000, promptTokens: 7, nowMs: () => NOW_MS };

function replyTo(name: string, form: 'chat' | 'generate' = 'chat') {
  const writer = new OllamaReply(form, context, ['options.num_ctx']);
  writer.begin(modelId('demo-4b'));
  return JSON.parse(writer.end(recorded(name)));
}

describe('OllamaReply', () => {
  it('answers in one object', () => {
    const reply = replyTo('llama-text');
    expect(reply).toMatchObject({
      model: 'demo-4b',
      created_at: '2026-11-21T12:00:02.000Z',
      message: { role: 'assistant', content: SENTENCE },
      done: true,
      done_reason: 'stop',
      x_router: { model: 'demo-4b', ignored: ['options.num_ctx'] },
    });
    for (const name of ['total_duration', 'load_duration', 'prompt_eval_duration', 'eval_duration', 'eval_count'])
      expect(Number.isInteger(reply[name]), name).toBe(true);
    expect(replyTo('llama-text', 'generate').response).toBe(SENTENCE);
  });

  it('gives calls with their arguments as objects, thoughts and log probabilities', () => {
    expect(replyTo('llama-tool').message.tool_calls[0].function).toEqual({
      index: 0,
      name: 'get_weather',
      arguments: { city: 'Berlin' },
    });
    expect(replyTo('rkllm-thinking').message).toMatchObject({ content: 'Ulm.', thinking: 'It asks for a city.' });
    expect(replyTo('llama-logprobs').logprobs).toHaveLength(3);
    expect(replyTo('llama-logprobs').done_reason).toBe('length');
  });

  it('says after the status has gone out what went wrong', () => {
    const writer = new OllamaReply('chat', context, []);
    expect(writer.heartbeat() + writer.failed(new GatewayError('runtime_failed', 'died'))).toBe(' {"error":"died"}');
  });
});

describe('residencyWriter', () => {
  it.each([
    ['load', 2e9],
    ['unload', 0],
  ] as const)('says %s', (reason, loadNs) => {
    const writer = residencyWriter('chat', { reason, stream: true }, context);
    writer.begin(modelId('demo-4b'));
    const text = writer.end(Buffer.alloc(0)) as string;
    expect(text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toEqual({
      model: 'demo-4b',
      created_at: '2026-11-21T12:00:02.000Z',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: reason,
      total_duration: 2e9,
      load_duration: loadNs,
    });
  });

  it('shows that a long load lives', () => {
    const stream = residencyWriter('generate', { reason: 'load', stream: true }, context);
    expect(JSON.parse(stream.heartbeat(undefined))).toMatchObject({ response: '', done: false });
    const whole = residencyWriter('generate', { reason: 'load', stream: false }, context);
    expect(whole.heartbeat(undefined)).toBe(' ');
    expect(whole.failed(new GatewayError('start_failed', 'no'))).toBe('{"error":"no"}');
  });
});
