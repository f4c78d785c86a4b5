import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { lingerOnClose } from '../../src/http/lingering-close.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { until } from '../helpers/until.ts';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A server that refuses every body unread. */
async function startRefusing(): Promise<{ url: string; advance: (ms: number) => void }> {
  const clock = fakeClock();
  server = createServer((_, outgoing) => {
    outgoing.writeHead(413, { 'content-length': '5', connection: 'close' });
    outgoing.end('large');
  });
  lingerOnClose(server, clock);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, advance: (ms) => clock.advance(ms) };
}

const POST = 'POST / HTTP/1.1';
const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));

describe('a request that is refused while its body comes', () => {
  it('gets its answer although it looks for it only when it has sent everything', async () => {
    const { url } = await startRefusing();
    const part = Buffer.alloc(65_536);
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    socket.write(`${POST}\r\nhost: x\r\ncontent-length: ${part.length * 100}\r\n\r\n`);
    for (let sent = 0; sent < 100; sent += 1) await new Promise((resolve) => socket.write(part, resolve));
    let text = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 413 .*large$/s);
    await until('the connection is closed', async () => (await connections()) === 0);
  });

  it('is cut off two seconds later where it neither goes on nor ends', async () => {
    const { url, advance } = await startRefusing();
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
    socket.resume();
    socket.write(`${POST}\r\nhost: x\r\ncontent-length: 100\r\n\r\nbegun`);
    await once(socket, 'end');
    expect(await connections()).toBe(1);
    advance(1999);
    expect(await connections()).toBe(1);
    advance(1);
    await until('it is cut off', async () => (await connections()) === 0);
    socket.destroy();
  });
});
