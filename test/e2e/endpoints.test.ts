import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/http/openapi/endpoint.ts';
import { ENDPOINTS } from '../../src/http/openapi/endpoints.ts';
import { ERROR_SCHEMAS } from '../../src/http/openapi/errors.ts';
import { demoModel, demoPolicy, startTestGateway, type TestGateway } from '../helpers/gateway.ts';

// Every endpoint of the OpenAPI document on a real gateway: its example is answered as its schema says, and whatever
// else is sent to it is a client's mistake in the client's language, never a failure of ours.

const BODY_LIMIT = 200_000;
/** A longer search: SLUICE_FUZZ_RUNS=5000 SLUICE_FUZZ_SEED=7. */
const RUNS = Number(process.env['SLUICE_FUZZ_RUNS'] ?? 120);
const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 20);
let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.models['vectors'] = { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } };
  policy.models['scores'] = { ...demoModel('tiny'), settings: { rerank: true } };
  policy.gateway['body_limit'] = '200KB';
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

const nameOf = ({ method, path }: Endpoint): string => `${method.toUpperCase()} ${path}`;
const urlOf = ({ path }: Endpoint): string => gateway.url + path.replace('{id}', 'tiny');

async function send(endpoint: Endpoint, body: string | Uint8Array): Promise<{ status: number; text: string }> {
  const response = await fetch(urlOf(endpoint), {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
    // What hangs fails here and not at the end of the test's time.
    signal: AbortSignal.timeout(20_000),
  });
  return { status: response.status, text: await response.text() };
}

const withBody = ENDPOINTS.filter(({ body }) => body !== undefined).map((one) => [nameOf(one), one] as const);

// A batch reads a file, which must be there.
async function whatItNeeds({ path }: Endpoint): Promise<object> {
  if (path !== '/v1/batches') return {};
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob(['{}']), 'input.jsonl');
  const response = await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: form });
  return { input_file_id: ((await response.json()) as { id: string }).id };
}

describe('the example of', () => {
  it.each(withBody)('%s is answered as the document says', async (_, endpoint) => {
    expect(endpoint.body?.safeParse(endpoint.example).error).toBeUndefined();
    const example = { ...(endpoint.example as object), ...(await whatItNeeds(endpoint)) };
    const { status, text } = await send(endpoint, JSON.stringify({ ...example, stream: false }));
    expect(status, text).toBe(200);
    if (endpoint.answer.schema !== undefined) endpoint.answer.schema.parse(JSON.parse(text));
  });
});

describe('what is asked by GET', () => {
  // Of what has an id, a model is all there is on a gateway that nobody has asked yet.
  const isThere = (path: string) => !path.includes('{id}') || path.includes('/models/{id}');
  const plain = ENDPOINTS.filter(
    ({ method, path, answer }) => method === 'get' && answer.schema !== undefined && isThere(path),
  );
  it.each(plain.map((one) => [nameOf(one), one] as const))('%s is answered as the document says', async (_, one) => {
    const response = await fetch(urlOf(one));
    expect(response.status).toBe(200);
    one.answer.schema?.parse(await response.json());
  });
});

/** Values that break what does not look at types, sizes and names. */
const nasty = fc.constantFrom<unknown>(
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  2 ** 53,
  -(2 ** 63),
  '',
  ' ',
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  '{{',
  'é'.repeat(5000),
  [],
  {},
  [null],
  [[]],
  { __proto__: 1, constructor: 'x' },
  { type: 'text' },
  { type: 'image_url', image_url: {} },
  JSON.parse('{"__proto__":{"toString":1}}'),
);

type Path = readonly (string | number)[];

function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, part]) => pathsOf(part, [...at, key]))];
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...(value as object) };
  Reflect.set(copy, key, replaced(Reflect.get(copy, key), rest, by));
  return copy;
}

/** Bodies near the example: one place replaced, a field of the schema given a wrong value, or bytes damaged. */
function bodies({ example, body }: Endpoint): fc.Arbitrary<string | Uint8Array> {
  const text = JSON.stringify(example);
  const fields = Object.keys((body as { shape?: object } | undefined)?.shape ?? {});
  const value = fc.oneof(nasty, fc.jsonValue({ maxDepth: 3 }));
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...pathsOf(example)), value)
        .map(([at, by]) => JSON.stringify(replaced(example, at, by)) ?? ''),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...fields, 'surprise'), value)
        .map(([name, by]) => JSON.stringify({ ...(example as object), [name]: by })),
    },
    { weight: 1, arbitrary: fc.nat(text.length).map((end) => text.slice(0, end)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.nat(text.length), fc.constantFrom(0xff, 0xc0, 0x80, 0x00))
        .map(([at, byte]) =>
          Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from([byte]), Buffer.from(text.slice(at))]),
        ),
    },
  );
}

describe('a body that is wrong', () => {
  it.each(withBody)(
    'is at worst a 4xx in the right language at %s',
    { timeout: 60_000 + 100 * RUNS },
    async (_, endpoint) => {
      await fc.assert(
        fc.asyncProperty(bodies(endpoint), async (body) => {
          const { status, text } = await send(endpoint, body);
          if (status === 200) return;
          expect(status, text).toBeGreaterThanOrEqual(400);
          expect(status, text).toBeLessThan(500);
          ERROR_SCHEMAS[endpoint.errors].schema.parse(JSON.parse(text));
        }),
        { numRuns: RUNS, seed: SEED, endOnFailure: true },
      );
    },
  );

  it.each(withBody)('may nest a hundred thousand levels at %s', async (_, endpoint) => {
    const { status, text } = await send(endpoint, `{"messages":${'['.repeat(90_000)}`);
    expect(status).toBe(400);
    ERROR_SCHEMAS[endpoint.errors].schema.parse(JSON.parse(text));
  });

  it.each(withBody)('may be over the limit at %s', async (_, endpoint) => {
    const { status, text } = await send(endpoint, JSON.stringify({ padding: 'x'.repeat(BODY_LIMIT) }));
    expect(status).toBe(413);
    ERROR_SCHEMAS[endpoint.errors].schema.parse(JSON.parse(text));
  });
});
