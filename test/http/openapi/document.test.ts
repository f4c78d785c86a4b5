import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { GENERATION_CODECS, TEXT_CODECS } from '../../../src/dialects/codecs.ts';
import { decodeChat } from '../../../src/dialects/openai/decode.ts';
import { createHttpApp } from '../../../src/http/app.ts';
import { createDocument } from '../../../src/http/openapi/document.ts';
import { ENDPOINTS } from '../../../src/http/openapi/endpoints.ts';
import { CHAT_REQUEST } from '../../../src/http/openapi/openai.ts';
import { createPage } from '../../../src/http/openapi/page.ts';
import type { HttpParts } from '../../../src/http/parts.ts';

const document = createDocument('1.2.3');

/** `/v1/models/:id{.+}` → `/v1/models/{id}`, as OpenAPI writes it. */
const written = (path: string): string => path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}');

describe('the OpenAPI document', () => {
  it('is valid', async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
  });

  it('lists what the server listens for, and nothing else', () => {
    // Routes are added without looking at anything of the gateway.
    const app = createHttpApp({ version: '1' } as HttpParts);
    const served = [
      ...app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${written(path)}`),
      ...[...GENERATION_CODECS, ...TEXT_CODECS].map(({ path }) => `POST ${path}`),
    ];
    const listed = ENDPOINTS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(listed.toSorted()).toEqual([...new Set(served)].toSorted());
  });

  it('names every operation once', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the schema of a chat completion', () => {
  const values: readonly unknown[] = [
    null,
    true,
    false,
    0,
    1,
    -1,
    2,
    3,
    -3,
    0.5,
    21,
    '',
    'text',
    [],
    ['a'],
    [1],
    {},
    { type: 'text' },
    { type: 'no' },
    [{ type: 'function', function: { name: 'f' } }],
    [{ type: 'function' }],
  ];
  const fields = Object.keys(CHAT_REQUEST.shape).filter((name) => name !== 'messages');

  it.each(fields)('agrees with what is accepted: %s', (name) => {
    for (const value of values) {
      const body = { messages: [{ role: 'user', content: 'hello' }], [name]: value };
      const accepts = () => decodeChat(Buffer.from(JSON.stringify(body)), () => undefined);
      const described = CHAT_REQUEST.safeParse(body).success;
      if (described) expect(accepts, JSON.stringify(body)).not.toThrow();
      else expect(accepts, JSON.stringify(body)).toThrow();
    }
  });

  it.each([
    [[]],
    [[{ role: 'user' }]],
    [[{ role: 'nobody', content: 'x' }]],
    [[{ role: 'user', content: [{ text: 'x' }] }]],
    ['text'],
  ])('refuses the messages %j, as the decoder does', (messages) => {
    expect(() => decodeChat(Buffer.from(JSON.stringify({ messages })), () => undefined)).toThrow();
    expect(CHAT_REQUEST.safeParse({ messages }).success).toBe(JSON.stringify(messages) === '[{"role":"user"}]');
  });
});

describe('the page', () => {
  it('shows every endpoint and asks nobody for anything', async () => {
    const page = String(await createPage(document));
    for (const { path, summary } of ENDPOINTS) {
      expect(page).toContain(path);
      expect(page).toContain(summary.replaceAll("'", '&#39;'));
    }
    expect(page).not.toMatch(/<script|src=|url\(|https?:/);
  });

  it('is served with a policy under which its style holds', async () => {
    const app = createHttpApp({ version: '1.2.3' } as HttpParts);
    const reply = await app.request('/docs');
    const [, hash] = /style-src '(sha256-[^']+)'/.exec(reply.headers.get('content-security-policy') ?? '') ?? [];
    const [, style = ''] = /<style>([^<]*)<\/style>/.exec(await reply.text()) ?? [];
    const digest = await crypto.subtle.digest('SHA-256', Buffer.from(style));
    expect(hash).toBe(`sha256-${Buffer.from(digest).toString('base64')}`);
  });
});
