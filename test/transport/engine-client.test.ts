import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayError } from '../../src/core/errors.ts';
import type { ReplySink } from '../../src/core/runtime.ts';
import { createEngineClient, type EngineClient } from '../../src/transport/engine-client.ts';

let server: Server | undefined;
let client: EngineClient | undefined;

async function start(listener: RequestListener): Promise<EngineClient> {
  server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  client = createEngineClient({
    origin: `http://127.0.0.1:${port}`,
    headers: { authorization: 'Bearer k' },
    connections: 2,
  });
  return client;
}

afterEach(() => {
  client?.close();
  server?.close();
  server?.closeAllConnections();
});

function collect() {
  const chunks: Buffer[] = [];
  const seen = { status: 0, type: '', text: () => Buffer.concat(chunks).toString() };
  let settle: (value: { error?: GatewayError }) => void = () => undefined;
  let firstChunk: () => void = () => undefined;
  const done = new Promise<{ error?: GatewayError }>((resolve) => {
    settle = resolve;
  });
  const first = new Promise<void>((resolve) => {
    firstChunk = resolve;
  });
  const sink: ReplySink = {
    head: (status, type) => {
      seen.status = status;
      seen.type = type;
    },
    chunk: (bytes) => {
      chunks.push(bytes);
      firstChunk();
      return true;
    },
    end: () => settle({}),
    failed: (error) => settle({ error }),
  };
  return { sink, seen, done, first };
}

describe('createEngineClient', () => {
  it('passes status, type and every byte of a chunked reply on', async () => {
    const engine = await start((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-key': String(request.headers.authorization) });
      for (let index = 0; index < 50; index += 1) response.write(`data: ${index}\n\n`);
      response.end();
    });
    const { sink, seen, done } = collect();
    engine.exchange('/v1/chat/completions', '{}', sink);
    expect(await done).toEqual({});
    expect(seen).toMatchObject({ status: 200, type: 'text/event-stream' });
    expect(seen.text()).toBe(Array.from({ length: 50 }, (_, index) => `data: ${index}\n\n`).join(''));
  });

  it('closes the socket on abort, so that the engine notices', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const engine = await start((request, response) => {
      closed = once(request.socket, 'close');
      response.writeHead(200);
      response.write('x');
    });
    const { sink, first } = collect();
    const exchange = engine.exchange('/', '{}', sink);
    await first;
    exchange.abort();
    await closed;
  });

  it('closes the socket on abort before a reply has begun', async () => {
    let arrived: (socket: Socket) => void = () => undefined;
    const socket = new Promise<Socket>((resolve) => {
      arrived = resolve;
    });
    const engine = await start((request) => arrived(request.socket));
    const exchange = engine.exchange('/', '{}', collect().sink);
    const closed = once(await socket, 'close');
    exchange.abort();
    await closed;
  });

  it('sends a request again when the engine had closed the idle socket', async () => {
    let requests = 0;
    const engine = await start((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.destroy();
      else response.end('ok');
    });
    const one = collect();
    engine.exchange('/', '{}', one.sink);
    await one.done;
    const two = collect();
    engine.exchange('/', '{}', two.sink);
    expect(await two.done).toEqual({});
    expect(two.seen.text()).toBe('ok');
    expect(requests).toBe(3);
  });

  it('says that the runtime broke off when it dies in the middle of a reply', async () => {
    const engine = await start((request, response) => {
      response.writeHead(200);
      response.write('half', () => request.socket.destroy());
    });
    const { sink, seen, done } = collect();
    engine.exchange('/', '{}', sink);
    const { error } = await done;
    expect(error?.code).toBe('runtime_failed');
    expect(error?.message).toMatch(/in the middle of its answer/);
    expect(seen.text()).toBe('half');
  });

  it('says that the runtime broke off when nothing listens', async () => {
    const engine = await start(() => undefined);
    server?.close();
    await once(server!, 'close');
    const { sink, done } = collect();
    engine.exchange('/', '{}', sink);
    expect((await done).error?.message).toMatch(/before it answered.*ECONNREFUSED/);
  });

  it('stops reading while the reader is full and goes on after resume', async () => {
    const size = 32 * 1024 * 1024;
    const engine = await start((request, response) => {
      response.writeHead(200);
      response.end(request.url === '/big' ? Buffer.alloc(size, 'x') : 'ok');
    });
    let bytes = 0;
    let full = true;
    const { done, first, sink } = collect();
    const exchange = engine.exchange('/big', '{}', {
      ...sink,
      chunk: (chunk) => {
        bytes += chunk.length;
        sink.chunk(chunk);
        return !full;
      },
    });
    await first;
    // A whole other exchange runs while the first one is held: nobody reads on for it meanwhile.
    const other = collect();
    engine.exchange('/', '{}', other.sink);
    await other.done;
    expect(bytes).toBeLessThan(1024 * 1024);
    full = false;
    exchange.resume();
    expect(await done).toEqual({});
    expect(bytes).toBe(size);
  });

  it('answers small questions with status and parsed body', async () => {
    const engine = await start((_, response) => response.writeHead(503).end('{"error":{"message":"Loading model"}}'));
    const reply = await engine.json('GET', '/health', undefined, new AbortController().signal);
    expect(reply).toEqual({ status: 503, body: { error: { message: 'Loading model' } } });
  });
});
