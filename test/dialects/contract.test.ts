import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { modelId, requestId } from '../../src/core/ids.ts';
import type { DecodedGeneration, GenerationCodec } from '../../src/dialects/codec.ts';
import { GENERATION_CODECS } from '../../src/dialects/codecs.ts';

// What every codec promises, whatever its language. A new codec brings one row: its smallest request, and how its
// clients read what it writes.

/** Parsed JSON: tests look into it and expect what they find. */
type Parsed = ReturnType<typeof JSON.parse>;

type Row = {
  /** The smallest request that is answered. */
  readonly minimal: Readonly<Record<string, unknown>>;
  /** What asks for a whole reply and for a stream. */
  readonly whole: Readonly<Record<string, unknown>>;
  readonly stream: Readonly<Record<string, unknown>>;
  readonly textOfStream: (text: string) => string;
  readonly textOfReply: (reply: Parsed) => string;
  readonly xRouterOfStream: (text: string) => Parsed;
  /** The message of an error's body, and of an error in a stream. */
  readonly messageOf: (body: Parsed) => string;
  readonly messageOfStream: (text: string) => string;
  /** Recorded engine streams and replies, in `test/fixtures/dialects`. */
  readonly recorded?: { readonly text: string; readonly others: readonly string[] };
};

const hello = [{ role: 'user', content: 'Hi' }];
/** The JSON events of an SSE text, in order. */
const eventsOf = (text: string): Parsed[] =>
  text.split('\n').flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice('data: '.length))] : []));
const eventNamed = (text: string, type: string): Parsed => eventsOf(text).find((event) => event.type === type);

/** The objects of a text of one object a line. */
const linesOf = (text: string): Parsed[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const ROWS: Readonly<Record<string, Row>> = {
  '/v1/chat/completions': {
    minimal: { messages: hello },
    whole: {},
    stream: { stream: true },
    textOfStream: (text) =>
      eventsOf(text)
        .map((event) => event.choices[0]?.delta?.content ?? '')
        .join(''),
    textOfReply: (reply) => reply.choices[0].message.content,
    xRouterOfStream: (text) => eventsOf(text).at(-1).x_router,
    messageOf: (body) => body.error.message,
    messageOfStream: (text) => eventsOf(text).at(-1).error.message,
  },
  '/v1/completions': {
    minimal: { prompt: 'Hi' },
    whole: {},
    stream: { stream: true },
    textOfStream: (text) =>
      eventsOf(text)
        .map((event) => event.choices[0]?.text ?? '')
        .join(''),
    textOfReply: (reply) => reply.choices[0].text,
    xRouterOfStream: (text) => eventsOf(text).at(-1).x_router,
    messageOf: (body) => body.error.message,
    messageOfStream: (text) => eventsOf(text).at(-1).error.message,
    recorded: { text: 'completions/llama-text', others: ['completions/llama-length'] },
  },
  '/v1/responses': {
    minimal: { input: 'Hi' },
    whole: {},
    stream: { stream: true },
    textOfStream: (text) =>
      eventsOf(text)
        .filter(({ type }) => type === 'response.output_text.delta')
        .map(({ delta }) => delta)
        .join(''),
    textOfReply: (reply) => reply.output[0].content[0].text,
    xRouterOfStream: (text) => eventsOf(text).at(-1).response.x_router,
    messageOf: (body) => body.error.message,
    messageOfStream: (text) => eventNamed(text, 'response.failed').response.error.message,
  },
  '/v1/messages': {
    minimal: { max_tokens: 64, messages: hello },
    whole: {},
    stream: { stream: true },
    textOfStream: (text) =>
      eventsOf(text)
        .map((event) => event.delta?.text ?? '')
        .join(''),
    textOfReply: (reply) => reply.content[0].text,
    xRouterOfStream: (text) => eventNamed(text, 'message_delta').x_router,
    messageOf: (body) => body.error.message,
    messageOfStream: (text) => eventNamed(text, 'error').error.message,
  },
  '/api/chat': {
    minimal: { messages: hello },
    whole: { stream: false },
    stream: {},
    textOfStream: (text) =>
      linesOf(text)
        .map((line) => line.message.content)
        .join(''),
    textOfReply: (reply) => reply.message.content,
    xRouterOfStream: (text) => linesOf(text).at(-1).x_router,
    messageOf: (body) => body.error,
    messageOfStream: (text) => linesOf(text).at(-1).error,
  },
  '/api/generate': {
    minimal: { prompt: 'Hi' },
    whole: { stream: false },
    stream: {},
    textOfStream: (text) =>
      linesOf(text)
        .map((line) => line.response)
        .join(''),
    textOfReply: (reply) => reply.response,
    xRouterOfStream: (text) => linesOf(text).at(-1).x_router,
    messageOf: (body) => body.error,
    messageOfStream: (text) => linesOf(text).at(-1).error,
  },
};

// Recorded behind the gateway, so with x_router in place: demo-4b on llama-server 0.7.0 (build 11669), and scripted answers of
// the NPU worker on the simulator of librkllmrt 1.3.0.
const RECORDED = {
  text: 'engine/llama-text',
  others: [
    'engine/llama-length',
    'engine/llama-stop',
    'engine/llama-tool-call',
    'engine/npu-thinking',
    'engine/npu-tool-call',
  ],
};
const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'dialects');
const model = modelId('demo-4b');
const context = {
  requestId: requestId('req_0123456789ab'),
  receivedAtMs: 1_700_000_000_000,
  promptTokens: 7,
  nowMs: () => 1_700_000_000_500,
};

const recorded = (name: string): Buffer => readFileSync(join(FIXTURES, name));
/** An engine's stream in whole events. */
const eventsIn = (stream: Buffer): string[] => stream.toString('utf8').split(/(?<=\n\n)/);

function decode(codec: GenerationCodec, body: object): DecodedGeneration {
  return codec.decode(Buffer.from(JSON.stringify(body)), () => undefined);
}

/** What a client gets of a recorded stream that comes in pieces of so many events; the last piece is `end`'s. */
function written(decoded: DecodedGeneration, stream: Buffer, sizeOf: () => number): string {
  const writer = decoded.writer(context);
  decoded.engineBody(model, undefined);
  const events = eventsIn(stream);
  let text = writer.heartbeat(undefined) + writer.heartbeat(model) + writer.heartbeat(model, PROGRESS);
  text += String(writer.begin(model));
  // The last data event and `[DONE]` come together.
  const last = events.splice(-2).join('');
  while (events.length > 0) text += writer.events(Buffer.from(events.splice(0, sizeOf()).join('')));
  return text + writer.end(Buffer.from(last));
}

/** Whole numbers from 1 to 4, the same ones for the same seed. */
function piecesOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return 1 + ((state >>> 16) % 4);
  };
}

/** What a client is told that asked for it. */
const PROGRESS = { phase: 'queue', ahead: 2, elapsedMs: 1500.4, remainingMs: 9000 } as const;

const WRONG = new GatewayError('runtime_failed', 'demo-4b: "the child" died');

it('holds every codec', () => {
  expect(GENERATION_CODECS.map(({ path }) => path).filter((path) => ROWS[path] === undefined)).toEqual([]);
});

describe.each(GENERATION_CODECS.flatMap((codec) => (ROWS[codec.path] ? [[codec.path, codec] as const] : [])))(
  '%s',
  (path, codec) => {
    const row = ROWS[path] as Row;
    const { text, others } = row.recorded ?? RECORDED;
    const whole = () => decode(codec, { ...row.minimal, ...row.whole });
    const streaming = () => decode(codec, { ...row.minimal, ...row.stream });

    it('reads the smallest request', () => {
      const { facts, engineBody, chatBody } = whole();
      expect(facts).toMatchObject({ model: 'auto', stream: false, messageCount: 1 });
      expect(facts.promptChars).toBeGreaterThan(0);
      const body = JSON.parse(String(engineBody(model, 5)));
      expect(body.model).toBe('demo-4b');
      expect(body.max_tokens ?? body.n_predict).toBe(5);
      expect(JSON.parse(String(chatBody())).messages).toHaveLength(1);
      expect(streaming().facts.stream).toBe(true);
    });

    it.each([
      ['nothing', ''],
      ['no JSON', '{"model":'],
      ['no object', '[]'],
      ['an empty object', '{}'],
      ['another depth', `${'['.repeat(500)}${']'.repeat(500)}`],
    ])('refuses %s as the client’s mistake', (_, body) => {
      expect(() => codec.decode(Buffer.from(body), () => undefined)).toThrow(
        expect.objectContaining({ name: 'GatewayError', code: 'invalid_request' }),
      );
    });

    it('writes an error that names what was wrong', () => {
      const { body } = codec.encodeError(WRONG, context.requestId);
      expect(row.messageOf(JSON.parse(body))).toContain('"the child" died');
    });

    it('writes a whole reply', () => {
      const writer = whole().writer(context);
      const before = writer.heartbeat(model) + String(writer.begin(model));
      const reply = JSON.parse(before + String(writer.end(recorded(`${text}.json`))));
      expect(row.textOfReply(reply)).toBe(textRecorded(text));
      expect(reply.x_router).toMatchObject({ model: 'demo-4b', actual: { output_tokens: expect.any(Number) } });
    });

    it('writes the same text however the stream comes in pieces', () => {
      const stream = recorded(`${text}.sse`);
      const inOne = written(streaming(), stream, () => Number.POSITIVE_INFINITY);
      expect(row.textOfStream(inOne)).toBe(textRecorded(text));
      expect(row.xRouterOfStream(inOne)).toMatchObject({ model: 'demo-4b', attempts: 1 });
      for (let seed = 1; seed <= 20; seed += 1) {
        expect(row.textOfStream(written(streaming(), stream, piecesOf(seed)))).toBe(textRecorded(text));
      }
    });

    it.each(others)('writes %s without a hole', (name) => {
      const streamed = written(streaming(), recorded(`${name}.sse`), () => 1);
      const writer = whole().writer(context);
      const plain = String(writer.begin(model)) + String(writer.end(recorded(`${name}.json`)));
      for (const answer of [streamed, plain]) expect(answer).not.toMatch(/undefined|NaN|\[object /);
      expect(row.xRouterOfStream(streamed)).toMatchObject({ request_id: expect.any(String) });
    });

    it('writes an error into a stream that has begun, before and after its first words', () => {
      const decoded = streaming();
      const early = decoded.writer(context);
      expect(row.messageOfStream(early.heartbeat(model) + early.failed(WRONG))).toBe(WRONG.message);
      const late = decoded.writer(context);
      const begun =
        String(late.begin(model)) + String(late.events(Buffer.from(eventsIn(recorded(`${text}.sse`))[1] ?? '')));
      expect(row.messageOfStream(begun + late.failed(WRONG))).toBe(WRONG.message);
    });

    it('writes an error in place of a whole reply whose status has gone', () => {
      const writer = whole().writer(context);
      expect(row.messageOf(JSON.parse(writer.heartbeat(model) + writer.failed(WRONG)))).toBe(WRONG.message);
    });
  },
);

function textRecorded(name: string): string {
  const { choices } = JSON.parse(recorded(`${name}.json`).toString('utf8'));
  return choices[0].message?.content ?? choices[0].text;
}
