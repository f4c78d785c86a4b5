import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Bindings } from '../../src/http/app.ts';
import type { NodeHandler } from '../../src/http/generation.ts';
import { readBody } from '../../src/http/read-body.ts';
import { type ListeningServer, listen } from '../../src/http/server.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { until } from '../helpers/until.ts';

// Clients that send or read slowly or never, and those that send what is no request. Real sockets; the clocks that would
// take minutes are the test's.

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function serve(handler: NodeHandler, receive?: { headersMs: number; requestMs: number; checkMs: number }) {
  const clock = fakeClock();
  const cut: string[] = [];
  const app = new Hono<Bindings>();
  app.get('/health', (context) => context.text('alive'));
  const server: ListeningServer = await listen(
    { app, generations: new Map([['/v1/chat/completions', handler]]) },
    { host: '127.0.0.1', port: 0 },
    { stalled: { clock, limitMs: () => 60_000, onCut: (message) => cut.push(message) }, receive },
  );
  undo.push(() => server.close());
  return { url: server.url, clock, cut };
}

/** A raw connection, and all that has come over it. */
function dial(url: string): { socket: Socket; said: () => string; closed: Promise<unknown> } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let said = '';
  socket.setEncoding('latin1');
  socket.on('data', (text) => {
    said += text;
  });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  undo.push(() => socket.destroy());
  return { socket, said: () => said, closed };
}

const POST = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n';
const noAnswer: NodeHandler = async () => undefined;
const quick = { headersMs: 150, requestMs: 400, checkMs: 25 };
const bodyOf = (said: string) => JSON.parse(said.slice(said.indexOf('\r\n\r\n') + 4));

describe('a client that sends slowly', () => {
  it.each([
    ['nothing at all', ''],
    ['half of its headers', `${POST}x-so: far`],
  ])('sends %s and gets 408 in bounded time', async (_, sent) => {
    const { url } = await serve(noAnswer, quick);
    const client = dial(url);
    client.socket.write(sent);
    await client.closed;
    expect(client.said()).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
    expect(bodyOf(client.said()).error).toMatchObject({ type: 'invalid_request_error', param: null, code: null });
  });

  it('is not kept for a body that nobody reads', async () => {
    const { url } = await serve(noAnswer, quick);
    const client = dial(url);
    client.socket.write('GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nsome');
    await client.closed;
    expect(client.said()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  });

  it('may wait for its answer much longer than it may take to ask', async () => {
    const { url } = await serve(async (incoming, outgoing) => {
      await readBody(incoming, 100);
      outgoing.writeHead(200).write('it ');
      await systemClock.sleep(quick.requestMs * 2);
      outgoing.end('came');
    }, quick);
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: 'now' });
    expect(await answer.text()).toBe('it came');
  });
});

describe('what is no request', () => {
  it('with headers beyond all bounds is refused with 431', async () => {
    const { url } = await serve(noAnswer);
    const client = dial(url);
    client.socket.write(`${POST}x-flood: ${'x'.repeat(20_000)}\r\n\r\n`);
    await client.closed;
    expect(client.said()).toMatch(/^HTTP\/1.1 431 Request Header Fields Too Large\r\n/);
    expect(bodyOf(client.said()).error.message).toMatch(/headers are larger than 16 kB/);
    expect(await (await fetch(`${url}/health`)).text()).toBe('alive');
  });

  it('is refused in the language of the path that was asked for', async () => {
    const { url } = await serve(noAnswer);
    const client = dial(url);
    client.socket.write(`POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-flood: ${'x'.repeat(20_000)}\r\n\r\n`);
    await client.closed;
    expect(client.said()).toMatch(/^HTTP\/1.1 431 /);
    expect(bodyOf(client.said())).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  });

  it('is refused with 400', async () => {
    const { url } = await serve(noAnswer);
    const client = dial(url);
    client.socket.write('hello, is anybody there?\r\n\r\n');
    await client.closed;
    expect(client.said()).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(bodyOf(client.said()).error.message).toMatch(/not HTTP/);
  });

  it('after an answer has begun only ends the connection', async () => {
    const { url } = await serve(async (_, outgoing) => void outgoing.writeHead(200).write('so far'));
    const client = dial(url);
    client.socket.write(`${POST}transfer-encoding: chunked\r\n\r\n`);
    await until('the answer begins', () => client.said().includes('so far'));
    client.socket.write('no chunk\r\n');
    await client.closed;
    expect(client.said()).not.toContain('400');
  });
});

describe('a client that does not read', () => {
  const endless: NodeHandler = async (_, outgoing) => {
    outgoing.writeHead(200);
    const piece = Buffer.alloc(64_000, 'x');
    const write = () => {
      while (!outgoing.destroyed && outgoing.write(piece)) void 0;
    };
    outgoing.on('drain', write);
    write();
  };

  it('is cut off after the time it is given, and a notice says so', async () => {
    let closed = false;
    const { url, clock, cut } = await serve(async (incoming, outgoing) => {
      outgoing.once('close', () => {
        closed = true;
      });
      await endless(incoming, outgoing);
    });
    const client = dial(url);
    client.socket.pause();
    client.socket.write(`${POST}content-length: 0\r\n\r\n`);
    await fullPipe(client.socket);
    clock.advance(55_000);
    expect([closed, cut]).toEqual([false, []]);
    clock.advance(10_000);
    await until('it is cut off', () => closed);
    expect(cut).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:\d+ took nothing of its answer for .* \(gateway\.write_timeout\)$/),
    ]);
  });

  it('is not cut off while it takes something now and then', async () => {
    const { url, clock, cut } = await serve(endless);
    const client = dial(url);
    client.socket.pause();
    client.socket.write(`${POST}content-length: 0\r\n\r\n`);
    for (let minute = 0; minute < 5; minute += 1) {
      await fullPipe(client.socket);
      clock.advance(50_000);
      const before = client.socket.bytesRead;
      client.socket.resume();
      // Enough that the system takes more from the server, whose buffers it lets drain by a third before it does.
      await until('it has read', () => client.socket.bytesRead > before + 16e6);
      client.socket.pause();
      clock.advance(1000);
    }
    expect(cut).toEqual([]);
  });

  it('may be silent for ever where nothing is written to it', async () => {
    const { url, clock, cut } = await serve(noAnswer);
    const client = dial(url);
    client.socket.write(`${POST}content-length: 0\r\n\r\n`);
    await once(client.socket, 'connect');
    clock.advance(3_600_000);
    expect(cut).toEqual([]);
    expect(client.socket.readyState).toBe('open');
  });
});

/** Resolves when nothing more comes because the buffers between the two sides are full: a paused socket reads one piece. */
async function fullPipe(socket: Socket): Promise<void> {
  let last = -1;
  await until('the pipe is full', async () => {
    const now = socket.bytesRead;
    const same = now === last;
    last = now;
    await systemClock.sleep(30);
    return same;
  });
}

describe('readBody', () => {
  async function sending(): Promise<{
    socket: Socket;
    clock: ReturnType<typeof fakeClock>;
    read: Promise<Buffer>;
    seen: () => number;
  }> {
    const clock = fakeClock();
    let seen = 0;
    let began: (read: Promise<Buffer>) => void = () => undefined;
    const reading = new Promise<{ read: Promise<Buffer> }>((resolve) => {
      began = (read) => resolve({ read });
    });
    const server: Server = createServer((incoming) => {
      began(readBody(incoming, 10_000_000, clock));
      incoming.on('data', (chunk: Buffer) => {
        seen += chunk.length;
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    undo.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => server.closeAllConnections(),
    );
    const { socket } = dial(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    socket.write(`${POST}content-length: 5000000\r\n\r\n`);
    const { read } = await reading;
    read.catch(() => undefined);
    return { socket, clock, read, seen: () => seen };
  }

  it('refuses with 408 a body that has stopped coming', async () => {
    const { clock, read } = await sending();
    clock.advance(29_999);
    clock.advance(2);
    const error = await read.catch((thrown: unknown) => thrown as GatewayError);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'invalid_request', details: { status: 408 } });
    expect((error as GatewayError).message).toMatch(/the body did not arrive: 0 B/);
    expect(clock.timers()).toBe(0);
  });

  it('gives a body that comes at 50 kB/s the time it needs, and no more', async () => {
    const { socket, clock, read, seen } = await sending();
    socket.write(Buffer.alloc(1_000_000));
    await until('a fifth has come', () => seen() === 1_000_000);
    // Half a minute, and 20 s for a megabyte.
    clock.advance(49_000);
    expect(clock.timers()).toBe(1);
    clock.advance(2000);
    await expect(read).rejects.toMatchObject({ details: { status: 408 } });
  });

  it('keeps no timer once the body is there', async () => {
    const { socket, clock, read } = await sending();
    socket.write(Buffer.alloc(5_000_000));
    expect(await read).toHaveLength(5_000_000);
    expect(clock.timers()).toBe(0);
  });
});
