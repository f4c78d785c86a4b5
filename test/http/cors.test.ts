import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { crossOrigin } from '../../src/http/cors.ts';
import { smallPolicy } from '../route/small-policy.ts';

let stop: () => void = () => undefined;
afterEach(() => stop());

async function serve(corsOrigins: readonly string[]): Promise<string> {
  const policy = smallPolicy({ models: [] });
  const handle = crossOrigin(() => ({ ...policy, gateway: { ...policy.gateway, corsOrigins } }));
  const server = createServer((incoming, outgoing) =>
    handle(incoming, outgoing, () => {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      outgoing.end('answered');
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stop = () => server.close();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
}

const preflight = {
  method: 'OPTIONS',
  headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
};
const from = (origin: string, init: RequestInit = {}): RequestInit => ({
  ...init,
  headers: { ...init.headers, origin },
});

describe('cross-origin requests', () => {
  it('are nobody’s business where the policy names no origin', async () => {
    const url = await serve([]);
    const reply = await fetch(url, from('https://app.example', preflight));
    expect([reply.status, await reply.text()]).toEqual([200, 'answered']);
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('of an origin in the policy are allowed, before and with the answer', async () => {
    const url = await serve(['https://app.example']);
    const asked = await fetch(url, from('https://app.example', preflight));
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(asked.headers.get('access-control-allow-headers')).toBe('authorization');
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    expect(asked.headers.get('access-control-max-age')).toBe('600');
    const answer = await fetch(url, from('https://app.example'));
    expect(await answer.text()).toBe('answered');
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-router-model');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    expect(answer.headers.get('vary')).toContain('Origin');
  });

  it('of another origin are not', async () => {
    const url = await serve(['https://app.example']);
    const reply = await fetch(url, from('https://evil.example'));
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('of any origin are allowed by a star', async () => {
    const url = await serve(['*']);
    expect((await fetch(url, from('https://any.example'))).headers.get('access-control-allow-origin')).toBe('*');
  });

  it('are what a page makes: other requests are left as they are', async () => {
    const url = await serve(['*']);
    expect((await fetch(url)).headers.get('access-control-allow-origin')).toBeNull();
  });
});
