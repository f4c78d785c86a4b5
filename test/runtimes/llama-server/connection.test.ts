import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectLlamaServer } from '../../../runtimes/llama-server/connection.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { RuntimeSettings } from '../../../src/core/policy.ts';
import { freePort } from '../../../src/supervise/free-port.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';

async function serve(
  listener: RequestListener,
  { port = 0, clock = systemClock, settings = {} }: { port?: number; clock?: Clock; settings?: RuntimeSettings } = {},
) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return connectTo((server.address() as AddressInfo).port, clock, settings);
}

function connectTo(port: number, clock = systemClock, settings: RuntimeSettings = {}) {
  const connection = connectLlamaServer(modelPolicy('m', { settings }), { port, apiKey: 'secret' }, { clock });
  onTestFinished(() => connection.close());
  return connection;
}

const answering =
  (...answers: readonly (readonly [number, unknown])[]): RequestListener =>
  (_, response) => {
    asked += 1;
    const [status, body] = answers[Math.min(asked, answers.length) - 1] ?? [500, {}];
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
let asked = 0;

const signal = new AbortController().signal;

describe('countTokens', () => {
  it('sends the request as it is and takes the count', async () => {
    const seen: string[] = [];
    const connection = await serve((request, response) => {
      request.on('data', (bytes) => seen.push(`${request.url} ${bytes}`));
      request.on('end', () => response.end(JSON.stringify({ input_tokens: 29, object: 'response.input_tokens' })));
    });
    expect(await connection.countTokens?.(Buffer.from('{"messages":[]}'), signal)).toBe(29);
    expect(seen).toEqual(['/v1/chat/completions/input_tokens {"messages":[]}']);
  });

  it('counts nothing where the build has no such endpoint', async () => {
    asked = 0;
    const connection = await serve(answering([404, { error: { message: 'File Not Found' } }]));
    expect(await connection.countTokens?.('{}', signal)).toBeUndefined();
  });
});

describe('ready', () => {
  it('waits through 503 until the model is loaded', async () => {
    asked = 0;
    const connection = await serve(answering([503, {}], [503, {}], [200, { status: 'ok' }]));
    await connection.ready(signal);
    // Three times for its health, once for what it can do.
    expect(asked).toBe(4);
  });

  it('asks what the server can do once it has loaded', async () => {
    const connection = await serve((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(request.url === '/props' ? { modalities: { vision: true, audio: false } } : {}));
    });
    expect(connection.manifest?.()).toBeUndefined();
    await connection.ready(signal);
    expect(connection.manifest?.()).toMatchObject({ capabilities: { vision: true, audio: false } });
  });

  it("does without a server's word where it answers something else", async () => {
    const connection = await serve(answering([200, {}], [501, { error: 'disabled' }]));
    asked = 0;
    await connection.ready(signal);
    expect(connection.manifest?.()).toBeUndefined();
  });

  it('takes a refused connection for not yet', async () => {
    const port = await freePort();
    const ready = connectTo(port).ready(signal);
    await serve(answering([200, {}]), { port });
    await ready;
  });

  it("rejects with the signal's reason", async () => {
    const abort = new AbortController();
    const ready = connectTo(await freePort()).ready(abort.signal);
    abort.abort(new Error('enough'));
    await expect(ready).rejects.toThrow('enough');
  });

  it('does not take another program for the child', async () => {
    const connection = await serve(answering([404, {}]));
    await expect(connection.ready(signal)).rejects.toThrow('/health answered 404');
  });
});

describe('canary', () => {
  it("asks for one token with the child's key", async () => {
    let heard = '';
    const connection = await serve((request, response) => {
      request.on('data', (chunk) => {
        heard += `${request.headers.authorization} ${request.url} ${chunk}`;
      });
      request.on('end', () => response.end('{"choices":[{}]}'));
    });
    await connection.canary(signal);
    expect(heard).toMatch(/^Bearer secret \/v1\/chat\/completions .*"max_tokens":1/);
  });

  it.each([
    [500, { error: {} }],
    [200, { choices: [] }],
    [200, undefined],
  ])('rejects where the child cannot generate (%j, %j)', async (status, body) => {
    asked = 0;
    const connection = await serve(answering([status, body ?? null]));
    await expect(connection.canary(signal)).rejects.toMatchObject({ code: 'runtime_failed' });
  });
});

describe('idle', () => {
  it('asks the slots until none works', async () => {
    asked = 0;
    const slots = (...working: readonly boolean[]) => working.map((is_processing, id) => ({ id, is_processing }));
    const connection = await serve(
      answering([200, slots(true, true)], [200, slots(false, true)], [200, slots(false, false)]),
    );
    await connection.idle(signal);
    expect(asked).toBe(3);
  });

  it('leaves the slots of others out of account', async () => {
    asked = 0;
    const connection = await serve(
      answering([200, [{ is_processing: true }, { is_processing: true }]], [200, [{ is_processing: true }, {}]]),
    );
    await connection.idle(signal, () => 1);
    expect(asked).toBe(2);
  });

  it('soon asks less than once a second, which is when llama-server looks for clients that left', async () => {
    const gapsMs: number[] = [];
    const clock = {
      ...systemClock,
      sleep: async (delayMs: number) => {
        gapsMs.push(delayMs);
      },
    };
    const busy = [200, [{ is_processing: true }]] as const;
    const connection = await serve(answering(...Array(14).fill(busy), [200, [{}]]), { clock });
    await connection.idle(signal);
    const slow = gapsMs.findIndex((gapMs) => gapMs > 1000);
    expect(gapsMs.slice(0, slow).reduce((sum, gapMs) => sum + gapMs, 0)).toBeLessThan(500);
    expect(gapsMs.slice(slow).every((gapMs) => gapMs > 1000)).toBe(true);
    expect(gapsMs.length - slow).toBeGreaterThan(2);
  });

  it('rejects where the slots cannot be read', async () => {
    asked = 0;
    const connection = await serve(answering([501, {}]));
    await expect(connection.idle(signal)).rejects.toThrow('/slots answered 501');
  });
});

describe('the canary', () => {
  it.each<[RuntimeSettings, string, object]>([
    [{}, '/v1/chat/completions', { choices: [{}] }],
    [{ embeddings: true }, '/v1/embeddings', { data: [{}] }],
    [{ rerank: true }, '/v1/rerank', { results: [{}] }],
  ])('asks a child for what it is made for: %j', async (settings, path, body) => {
    const paths: (string | undefined)[] = [];
    const connection = await serve(
      (request, response) => {
        paths.push(request.url);
        response.end(JSON.stringify(request.url === path ? body : { error: {} }));
      },
      { settings },
    );
    await connection.canary(signal);
    expect(paths).toEqual([path]);
  });

  it('is dead where the answer is empty', async () => {
    asked = 0;
    const connection = await serve(answering([200, { data: [] }]), { settings: { embeddings: true } });
    await expect(connection.canary(signal)).rejects.toThrow('/v1/embeddings was answered with status 200');
  });
});

describe('tokenize', () => {
  it('gives the tokens as the server writes them, and nothing where it cannot', async () => {
    const seen: string[] = [];
    const connection = await serve((request, response) => {
      request.on('data', (bytes) => seen.push(`${request.url} ${bytes}`));
      request.on('end', () => response.end(JSON.stringify({ tokens: [{ id: 1, piece: 'a' }] })));
    });
    const how = { addSpecial: true, withPieces: true };
    expect(await connection.tokenize?.('a', how, signal)).toEqual([{ id: 1, piece: 'a' }]);
    expect(seen).toEqual(['/tokenize {"content":"a","add_special":true,"with_pieces":true}']);
    asked = 0;
    const old = await serve(answering([404, {}]));
    expect(await old.tokenize?.('a', how, signal)).toBeUndefined();
  });
});
