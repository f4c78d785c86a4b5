import { connect } from 'node:net';

/** An answer as it came, its body without the marks of its chunks; `status` is 0 where nothing came. */
export type RawReply = { readonly status: number; readonly text: string };

/** What is sent before the body: a request line, and headers as pairs; neither is looked at. */
export type RawHead = { readonly line: string; readonly headers?: readonly (readonly [name: string, value: string])[] };

const HANGS_AFTER_MS = 20_000;

/**
 * Sends a request byte for byte, as no library would: lines and headers in Latin-1, so that any byte can be written. Resolves
 * with the answer when it is whole or the connection has ended, and with its status alone as soon as it is a stream of events.
 * Rejects where nothing ends within 20 s.
 */
export function sendRaw(url: string, { line, headers = [] }: RawHead, body: Iterable<Buffer> = []): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(read(text));
    };
    socket.setEncoding('utf8');
    socket.setTimeout(HANGS_AFTER_MS, () => {
      socket.destroy();
      reject(
        new Error(`${line.slice(0, 200)} has had no answer for ${HANGS_AFTER_MS / 1000} s: ${text.slice(0, 500)}`),
      );
    });
    socket.on('data', (part: string) => {
      text += part;
      if (/^HTTP\/1\.1 200.*content-type: text\/event-stream/is.test(text) || isWhole(text)) end();
    });
    socket.on('close', end);
    // Whoever refuses a body early may close before all of it is sent.
    socket.on('error', () => undefined);
    const lines = [line, 'host: localhost', 'connection: close', ...headers.map((pair) => pair.join(': '))];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    writeAll(socket, body[Symbol.iterator]());
  });
}

/** Writes as fast as the other side reads. */
function writeAll(socket: ReturnType<typeof connect>, parts: Iterator<Buffer>): void {
  for (let next = parts.next(); next.done !== true; next = parts.next()) {
    if (socket.destroyed) return;
    if (!socket.write(next.value)) {
      socket.once('drain', () => writeAll(socket, parts));
      return;
    }
  }
}

function isWhole(text: string): boolean {
  const at = text.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)/im.exec(text.slice(0, at))?.[1];
  return at !== -1 && length !== undefined && Buffer.byteLength(text.slice(at + 4)) >= Number(length);
}

function read(text: string): RawReply {
  const at = text.indexOf('\r\n\r\n');
  const head = at === -1 ? text : text.slice(0, at);
  const rest = at === -1 ? '' : text.slice(at + 4);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  const chunked = /^transfer-encoding: chunked/im.test(head);
  return { status, text: chunked ? rest.replace(/(^|\r\n)[0-9a-f]+\r\n/gi, '').trim() : rest };
}
