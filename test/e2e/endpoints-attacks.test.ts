import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/http/openapi/endpoint.ts';
import { ENDPOINTS } from '../../src/http/openapi/endpoints.ts';
import { ERROR_SCHEMAS } from '../../src/http/openapi/errors.ts';
import { demoModel, demoPolicy, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { type RawReply, sendRaw } from '../helpers/raw-http.ts';

// What endpoints.test.ts does with bodies, done with everything else of a request: ids, queries, headers, sizes, and bytes
// that are no HTTP. Whatever comes is at worst a 4xx in the language of its endpoint.

/** A longer search: SLUICE_FUZZ_RUNS=3000 SLUICE_FUZZ_SEED=7. */
const RUNS = Number(process.env['SLUICE_FUZZ_RUNS'] ?? 40);
const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 20);
const TIME = { timeout: 60_000 + 100 * RUNS };
const LARGE_BYTES = 100_000_000;
/** What a hundred megabytes leave behind where they are thrown away; a collector at work moves more than a few. */
const GROWTH_BYTES_MAX = 40_000_000;

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.runtimes['llama'] = { ...policy.runtimes['llama'], settings: { threads: 1, context: 512, parallel: 1 } };
  policy.models['vectors'] = { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } };
  policy.models['scores'] = { ...demoModel('tiny'), settings: { rerank: true } };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

/** The doctor looks at the whole machine each time it is asked. */
const runsOf = ({ path }: Endpoint): number => (path === '/router/doctor' ? Math.ceil(RUNS / 20) : RUNS);

const nameOf = ({ method, path }: Endpoint): string => `${method.toUpperCase()} ${path}`;
const named = (endpoints: readonly Endpoint[]) => endpoints.map((one) => [nameOf(one), one] as const);
const lineOf = ({ method, path }: Endpoint, { id = 'tiny', query = '' } = {}): string =>
  `${method.toUpperCase()} ${path.replace(/\{\w+\}/, () => id)}${query} HTTP/1.1`;

function expectHonest({ status, text }: RawReply, { errors }: Endpoint, sent: string): void {
  const what = `${sent.slice(0, 300)} → ${status} ${text.slice(0, 500)}`;
  expect(status, what).toBeGreaterThanOrEqual(200);
  expect(status, what).toBeLessThan(500);
  if (status >= 400) expect(ERROR_SCHEMAS[errors].schema.safeParse(parsed(text)).error, what).toBeUndefined();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const withBody = ENDPOINTS.filter(({ body }) => body !== undefined);
// Draining would refuse what the other tests ask.
const withoutBody = ENDPOINTS.filter(
  ({ body, upload, method, path }) => !body && !upload && !(method === 'post' && path === '/router/drain'),
);

/** Any bytes but the two that end a line. */
const bytes = fc
  .uint8Array({ maxLength: 40 })
  .map((array) => Buffer.from(array.filter((byte) => byte !== 10 && byte !== 13)).toString('latin1'));
const NASTY = [
  ...['', ' ', '0', '-1', '1.5', '1e3', '1e308', 'NaN', 'Infinity', '99999999999999999999', '0x10', 'true', 'null'],
  ...[
    '%',
    '%00',
    '%ff%fe',
    '%C0%AE',
    '%0d%0ax: y',
    '%E2%80%AE',
    '..',
    '%2e%2e%2f%2e%2e',
    '../../etc/passwd',
    '/',
    '//',
    '*',
  ],
  ...[
    'auto',
    'tiny',
    'tiny/load',
    'file-',
    'batch_',
    'req_',
    '__proto__',
    'constructor',
    'toString',
    '{{',
    "' OR 1=1 --",
  ],
  ...['a'.repeat(4000), '%41'.repeat(1000), ',,,', ';q=', 'gzip;q=nan', '\u00ff', '?', '#', '&', '=', '[]'],
];
const nasty = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...NASTY) }, { weight: 1, arbitrary: bytes });

const QUERY_NAMES = [
  'after',
  'limit',
  'order',
  'purpose',
  'wait',
  'days',
  'follow',
  'lines',
  'after_id',
  'before_id',
  'x',
];
const query = fc
  .array(fc.tuple(fc.constantFrom(...QUERY_NAMES), nasty), { maxLength: 4 })
  .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`));

const HEADER_NAMES = [
  ...[
    'x-slo-ttft-ms',
    'x-slo-e2e-ms',
    'x-router-class',
    'x-request-id',
    'idempotency-key',
    'authorization',
    'x-api-key',
  ],
  ...['accept', 'accept-encoding', 'accept-language', 'content-type', 'content-encoding', 'cookie', 'origin', 'range'],
  ...['if-none-match', 'if-modified-since', 'forwarded', 'x-forwarded-for', 'x-stainless-retry-count', 'user-agent'],
];
const headers = fc.array(fc.tuple(fc.constantFrom(...HEADER_NAMES), nasty), { maxLength: 4 });

describe('ids, queries and headers that are wrong', () => {
  it.each(named(withoutBody))('are at worst a 4xx in the right language at %s', TIME, async (_, endpoint) => {
    await fc.assert(
      fc.asyncProperty(nasty, query, headers, async (id, asked, given) => {
        const line = lineOf(endpoint, { id, query: asked });
        expectHonest(
          await sendRaw(gateway.url, { line, headers: given }),
          endpoint,
          `${line} ${JSON.stringify(given)}`,
        );
      }),
      { numRuns: runsOf(endpoint), seed: SEED, endOnFailure: true },
    );
  });

  it.each(named(withBody))('are at worst a 4xx in the right language at %s', TIME, async (_, endpoint) => {
    const body = Buffer.from(JSON.stringify({ ...(endpoint.example as object), stream: false }));
    const line = lineOf(endpoint);
    await fc.assert(
      fc.asyncProperty(headers, async (given) => {
        const head = { line, headers: [...given, ['content-length', String(body.length)] as const] };
        expectHonest(await sendRaw(gateway.url, head, [body]), endpoint, `${line} ${JSON.stringify(given)}`);
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
  });
});

describe('too much', () => {
  it.each(named(ENDPOINTS))('of headers is a 431 at %s', async (_, endpoint) => {
    const flood = Array.from({ length: 1500 }, (__, index) => [`x-flood-${index}`, 'x'] as const);
    for (const given of [flood, [['x-long', 'y'.repeat(17_000)] as const]]) {
      const reply = await sendRaw(gateway.url, { line: lineOf(endpoint), headers: given });
      expect(reply.status).toBe(431);
      expect(ERROR_SCHEMAS[endpoint.errors].schema.safeParse(parsed(reply.text)).error, reply.text).toBeUndefined();
    }
  });

  it.each(named(withBody))('of a body is refused early and kept nowhere at %s', async (_, endpoint) => {
    const part = Buffer.alloc(65_536, 0x20);
    let sent = 0;
    function* parts(chunked: boolean) {
      for (sent = 0; sent < LARGE_BYTES; sent += part.length) {
        if (chunked) yield Buffer.from(`${part.length.toString(16)}\r\n`);
        yield part;
        if (chunked) yield Buffer.from('\r\n');
      }
    }
    const before = process.memoryUsage().rss;
    for (const length of [
      ['content-length', String(LARGE_BYTES)] as const,
      ['transfer-encoding', 'chunked'] as const,
    ]) {
      const head = { line: lineOf(endpoint), headers: [length] };
      const reply = await sendRaw(gateway.url, head, parts(length[1] === 'chunked'));
      expect(reply.status, reply.text).toBe(413);
      expect(ERROR_SCHEMAS[endpoint.errors].schema.safeParse(parsed(reply.text)).error, reply.text).toBeUndefined();
      expect(sent).toBeLessThan(LARGE_BYTES);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH_BYTES_MAX);
  });
});

describe('what is no HTTP', () => {
  const post = 'POST /v1/chat/completions HTTP/1.1';
  it.each<[string, string, (readonly [string, string])[]]>([
    ['a word', 'hello', []],
    ['another protocol', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc', []],
    ['a version to come', 'GET /health HTTP/9.9', []],
    ['a path with a space', 'GET /v1/models/a b HTTP/1.1', []],
    ['a method nobody knows', 'PROPFIND_ /v1/models HTTP/1.1', []],
    ['a length below zero', post, [['content-length', '-5']]],
    ['a length that is a word', post, [['content-length', 'many']]],
    [
      'two lengths',
      post,
      [
        ['content-length', '5'],
        ['content-length', '6'],
      ],
    ],
    [
      'a length and chunks',
      post,
      [
        ['content-length', '5'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    ['a name with a space', post, [['x y', 'z']]],
    ['a zero in a value', post, [['x-request-id', 'a\u0000b']]],
  ])('is a 400 and the end of the connection: %s', async (_, line, given) => {
    const reply = await sendRaw(gateway.url, { line, headers: given });
    expect(reply.status, reply.text).toBe(400);
    expect(ERROR_SCHEMAS.openai.schema.safeParse(parsed(reply.text)).error, reply.text).toBeUndefined();
  });

  it('leaves the gateway as it was', async () => {
    expect((await gateway.chat({ model: 'tiny', messages: [{ role: 'user', content: 'Well?' }] })).status).toBe(200);
    await gateway.idle();
  });
});
