import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createStreamEncoder,
  encodeErrorReply,
  encodeReply,
  finishReason,
  type ReplyEnd,
} from '../../../../runtimes/rkllm/chat/openai-encode.ts';
import type { Delta } from '../../../../runtimes/rkllm/chat/parse-output.ts';
import { readEnd } from '../../../../src/dialects/openai/engine-end.ts';
import { createStreamTap } from '../../../../src/dialects/openai/stream-tap.ts';

const schemas = JSON.parse(readFileSync(join(import.meta.dirname, '../../../fixtures/openai/schemas.json'), 'utf8'));
const ajv = new Ajv({ strict: false, validateFormats: false });
ajv.addSchema(schemas, 'openai');

const faultsOf = (name: string, value: unknown): unknown =>
  ajv.validate(`openai#/components/schemas/${name}`, value) ? [] : ajv.errors;

const IDENTITY = { id: 'chatcmpl-1', createdSec: 1_790_000_000.5, model: 'qwen3-"0.6b"' };
const FIGURES = { promptTokens: 12, prefillMs: 60, cachedTokens: 4, outputTokens: 5, decodeMs: 100 };
const END: ReplyEnd = { reason: 'stop', figures: FIGURES };
const CALL: Delta = { kind: 'tool_call', index: 0, id: 'call_0', name: 'add', arguments: '{"x":"\\n"}' };
const DELTAS: readonly Delta[] = [
  { kind: 'reasoning', text: 'hm "quoted"\n' },
  { kind: 'content', text: 'Hällo 😀 \u2028' },
  CALL,
];

type Chunk = { readonly choices: readonly { readonly delta: Readonly<Record<string, unknown>> }[] };

/** Data of the events of a stream, `[DONE]` apart. */
function chunksOf(stream: string): readonly (Chunk & Readonly<Record<string, unknown>>)[] {
  const events = stream.split('\n\n');
  expect(events.slice(-2)).toEqual(['data: [DONE]', '']);
  return events.slice(0, -2).map((event) => JSON.parse(event.replace(/^data: /, '')));
}

function stream(deltas: readonly Delta[], end: ReplyEnd = END, options = {}): string {
  const encoder = createStreamEncoder(IDENTITY, options);
  return encoder.start() + encoder.deltas(deltas) + encoder.end(end);
}

describe('createStreamEncoder', () => {
  it('every chunk is one of OpenAI’s', () => {
    const chunks = chunksOf(stream(DELTAS, END, { includeUsage: true }));
    expect(chunks).toHaveLength(6);
    for (const chunk of chunks) expect(faultsOf('CreateChatCompletionStreamResponse', chunk)).toEqual([]);
  });

  it('a planted fault is one to the schema', () => {
    const [chunk] = chunksOf(stream([]));
    expect(faultsOf('CreateChatCompletionStreamResponse', { ...chunk, created: 'x' })).not.toEqual([]);
  });

  it('says who speaks, then thoughts, content and calls', () => {
    expect(chunksOf(stream(DELTAS)).map((chunk) => chunk.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: null },
      { reasoning_content: 'hm "quoted"\n' },
      { content: 'Hällo 😀 \u2028' },
      {
        tool_calls: [{ index: 0, id: 'call_0', type: 'function', function: { name: 'add', arguments: '{"x":"\\n"}' } }],
      },
      {},
    ]);
  });

  it('the usage chunk comes only where it was asked for, and has no choices', () => {
    expect(chunksOf(stream([])).some((chunk) => 'usage' in chunk)).toBe(false);
    expect(chunksOf(stream([], END, { includeUsage: true })).at(-1)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 16,
        completion_tokens: 5,
        total_tokens: 21,
        prompt_tokens_details: { cached_tokens: 4 },
      },
    });
  });

  it('a run without figures has no timings', () => {
    expect(stream([], { reason: 'length', figures: undefined })).not.toContain('timings');
  });

  it.each([[{}], [{ includeUsage: true }]])('the gateway’s tap reads the end of the stream (%j)', (options) => {
    const tap = createStreamTap();
    const encoder = createStreamEncoder(IDENTITY, options);
    tap.push(Buffer.from(encoder.start()));
    expect(tap.hasContent).toBe(false);
    tap.push(Buffer.from(encoder.deltas(DELTAS)));
    expect([tap.hasContent, tap.isComplete]).toEqual([true, false]);
    tap.push(Buffer.from(encoder.end(END)));
    expect(tap.isComplete).toBe(true);
    expect(tap.end()).toEqual({
      finishReason: 'stop',
      promptTokens: 16,
      cachedTokens: 4,
      outputTokens: 5,
      prefillMs: 60,
      decodeMs: 100,
    });
    expect(JSON.parse(tap.finish('{"a":1}').toString().split('\n')[0]!.slice(6))).toMatchObject({ x_router: { a: 1 } });
  });

  it('whatever the text, its deltas join to it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const chunks = chunksOf(stream(texts.map((text) => ({ kind: 'content', text }))));
        expect(chunks.map((chunk) => chunk.choices[0]?.delta['content'] ?? '').join('')).toBe(texts.join(''));
      }),
    );
  });

  it('rates are absent where nothing was read or written', () => {
    const none = { promptTokens: 0, prefillMs: 0, cachedTokens: 3, outputTokens: 0, decodeMs: 0 };
    expect(chunksOf(stream([], { reason: 'stop', figures: none })).at(-1)?.['timings']).toEqual({
      cache_n: 3,
      prompt_n: 0,
      prompt_ms: 0,
      predicted_n: 0,
      predicted_ms: 0,
    });
  });
});

describe('encodeReply', () => {
  const reply = (deltas: readonly Delta[], end = END) => JSON.parse(encodeReply(IDENTITY, deltas, end));

  it.each([[DELTAS], [[]], [[CALL]]])('is one of OpenAI’s replies (%j)', (deltas) => {
    expect(faultsOf('CreateChatCompletionResponse', reply(deltas))).toEqual([]);
  });

  it('joins the deltas', () => {
    const text = (content: string): Delta => ({ kind: 'content', text: content });
    expect(reply([text('a'), { kind: 'reasoning', text: 'r' }, text('b')]).choices[0]).toEqual({
      index: 0,
      message: { role: 'assistant', content: 'ab', refusal: null, reasoning_content: 'r' },
      logprobs: null,
      finish_reason: 'stop',
    });
  });

  it('content is null beside calls and empty where nothing was said', () => {
    expect(reply([CALL]).choices[0].message).toMatchObject({ content: null, tool_calls: [{ id: 'call_0' }] });
    expect(reply([]).choices[0].message.content).toBe('');
  });

  it('carries the runtime’s rates, and the gateway reads its end', () => {
    expect(reply([]).timings).toMatchObject({ prompt_per_second: 200, predicted_per_token_ms: 20 });
    expect(readEnd(encodeReply(IDENTITY, DELTAS, END))).toMatchObject({ finishReason: 'stop', prefillMs: 60 });
  });
});

describe('finishReason', () => {
  it.each([
    [{ hitTokenLimit: false, callCount: 0 }, 'stop'],
    [{ hitTokenLimit: false, callCount: 2 }, 'tool_calls'],
    [{ hitTokenLimit: true, callCount: 2 }, 'length'],
  ] as const)('%j → %s', (run, reason) => {
    expect(finishReason(run)).toBe(reason);
  });
});

describe('encodeErrorReply', () => {
  it('is OpenAI’s error object', () => {
    const body = JSON.parse(encodeErrorReply({ message: 'm', type: 't', code: null }));
    expect(body).toEqual({ error: { message: 'm', type: 't', param: null, code: null } });
    expect(faultsOf('ErrorResponse', body)).toEqual([]);
  });
});
