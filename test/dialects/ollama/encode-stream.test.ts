import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, requestId } from '../../../src/core/ids.ts';
import { OllamaStream } from '../../../src/dialects/ollama/encode-stream.ts';

// Recorded from a gateway over llama-server 0.7.0 (build 11669) and over the RKLLM simulator.
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../fixtures/dialects/ollama', `${name}.sse`));

const SENTENCE = 'I am the 4B tier, answering from the middle of the range.';
const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 2);
const context = { requestId: requestId('req_1'), receivedAtMs: NOW_MS - 2000, promptTokens: 7, nowMs: () => NOW_MS };

type Line = ReturnType<typeof JSON.parse>;

/** What a client gets of an engine's stream; `cuts` are event boundaries (by number) at which it is written in pieces. */
function linesOf(bytes: Buffer, { form = 'chat', cuts = [], ignored = [] }: Partial<How> = {}): Line[] {
  const writer = new OllamaStream(form, context, ignored);
  const events = bytes
    .toString()
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => `${event}\n\n`);
  const last = events.splice(-2).join('');
  const pieces: string[] = [''];
  events.forEach((event, index) => {
    if (cuts.includes(index)) pieces.push('');
    pieces[pieces.length - 1] += event;
  });
  let text = writer.begin(modelId('demo-4b'));
  for (const piece of pieces) text += writer.events(Buffer.from(piece));
  text += writer.end(Buffer.from(last));
  expect(text.endsWith('\n')).toBe(true);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

type How = {
  readonly form: 'chat' | 'generate';
  readonly cuts: readonly number[];
  readonly ignored: readonly string[];
};

describe('OllamaStream', () => {
  it('writes a line for each token and ends with reason, counts and nanoseconds', () => {
    const lines = linesOf(recorded('llama-text'));
    expect(lines[0]).toEqual({
      model: 'demo-4b',
      created_at: '2026-11-21T12:00:02.000Z',
      message: { role: 'assistant', content: 'I' },
      done: false,
    });
    expect(lines.map((line) => line.message.content).join('')).toBe(SENTENCE);
    const last = lines.at(-1);
    const { actual } = last.x_router;
    expect(last).toMatchObject({
      done: true,
      done_reason: 'stop',
      message: { role: 'assistant', content: '' },
      total_duration: Math.round(actual.e2e_ms * 1e6),
      load_duration: Math.round(actual.load_ms * 1e6),
      prompt_eval_count: actual.prompt_tokens,
      eval_count: actual.output_tokens,
    });
    expect(last.eval_duration / 1e6).toBeCloseTo(actual.decode_ms, 0);
    expect(last.prompt_eval_duration / 1e6).toBeCloseTo(actual.prefill_ms, 0);
    expect(lines.slice(0, -1).every((line) => line.done === false && !('x_router' in line))).toBe(true);
  });

  it('answers a prompt in `response`', () => {
    const lines = linesOf(recorded('llama-text'), { form: 'generate' });
    expect(lines.map((line) => line.response).join('')).toBe(SENTENCE);
    expect(lines.some((line) => 'message' in line)).toBe(false);
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop', response: '' });
  });

  it.each([
    ['llama-tool', { city: 'Berlin' }],
    ['rkllm-tool', { city: 'Ulm' }],
  ])('puts the call of %s together, arguments as an object', (name, args) => {
    const calls = linesOf(recorded(name)).flatMap((line) => line.message.tool_calls ?? []);
    expect(calls).toEqual([{ id: expect.any(String), function: { index: 0, name: 'get_weather', arguments: args } }]);
    expect(linesOf(recorded(name)).at(-1).done_reason).toBe('stop');
  });

  it('keeps the words of a call whose arguments are no JSON object', () => {
    const call =
      '{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"a"}}]}}]}';
    const second =
      '{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"d","function":{"name":"g","arguments":""}}]}}]}';
    const end = '{"choices":[{"delta":{},"finish_reason":"length"}]}';
    const lines = linesOf(Buffer.from(`data: ${call}\n\ndata: ${second}\n\ndata: ${end}\n\ndata: [DONE]\n\n`));
    expect(lines[0].message.tool_calls.map((one: Line) => one.function)).toEqual([
      { index: 0, name: 'f', arguments: { INVALID_JSON: '{"a' } },
      { index: 1, name: 'g', arguments: {} },
    ]);
    expect(lines[1]).toMatchObject({ done: true, done_reason: 'length' });
    expect(lines[1].total_duration).toBe(2_000_000_000);
  });

  it('tells thoughts apart from the answer', () => {
    const lines = linesOf(recorded('rkllm-thinking'));
    expect(lines.map((line) => line.message.thinking ?? '').join('')).toBe('It asks for a city.');
    expect(lines.map((line) => line.message.content).join('')).toBe('Ulm.');
  });

  it('puts log probabilities beside their token', () => {
    const lines = linesOf(recorded('llama-logprobs'));
    const told = lines.filter((line) => line.logprobs !== undefined);
    expect(told).toHaveLength(3);
    for (const line of told) expect(line.logprobs[0]).toMatchObject({ token: line.message.content, logprob: 0 });
  });

  it('names what was ignored in the last chunk', () => {
    const lines = linesOf(recorded('llama-text'), { ignored: ['options.num_ctx'] });
    expect(lines.at(-1).x_router.ignored).toEqual(['options.num_ctx']);
  });

  it('says the same however the events come', () => {
    const whole = linesOf(recorded('llama-text'));
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (cuts) => {
        expect(linesOf(recorded('llama-text'), { cuts })).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  it('lives by empty chunks, and ends by an error in a line of its own', () => {
    const writer = new OllamaStream('chat', context, []);
    expect(JSON.parse(writer.heartbeat(modelId('demo-4b')))).toMatchObject({
      model: 'demo-4b',
      message: { role: 'assistant', content: '' },
      done: false,
    });
    expect(writer.heartbeat(undefined)).toMatch(/^\{"model":"",.*\}\n$/);
    expect(writer.failed(new GatewayError('runtime_failed', 'demo-4b died'))).toBe('{"error":"demo-4b died"}\n');
  });
});
