import { once } from 'node:events';
import { readdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { receiveUpload, type UploadFields } from '../../src/http/receive-upload.ts';
import { type BatchDesk, openDesk } from '../helpers/batch-desk.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

// Uploads over real sockets onto a real disk.

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

type End = { readonly fields?: UploadFields; readonly bytes?: number; readonly error?: unknown };

/** A server that receives one upload per request and tells how each ended. */
async function receiver(files: (desk: BatchDesk) => BatchDesk['files'] = (desk) => desk.files) {
  const desk = openDesk(temporaryFolder());
  const ends: End[] = [];
  const server = createServer((incoming, answer) => {
    receiveUpload(incoming, files(desk)).then(
      ({ fields, written }) => {
        ends.push({ fields, bytes: written.bytes });
        answer.end('ok');
      },
      (error: unknown) => {
        ends.push({ error });
        answer.writeHead(400).end('no');
      },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.closeAllConnections());
  undo.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const onDisk = () => readdirSync(desk.shelf.folder);
  return { url: `http://127.0.0.1:${port}`, port, ends, onDisk, desk };
}

const form = (fields: Readonly<Record<string, string>>, text: string | null = 'line\n') => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (text !== null) body.append('file', new Blob([text]), 'night.jsonl');
  return body;
};
const errorOf = ({ error }: End = {}): GatewayError => {
  if (error instanceof GatewayError) return error;
  throw new Error(`no error of ours: ${String(error)}`);
};

/** Sends the head of an upload and half of its file, and keeps the connection. */
async function halfSent(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  undo.push(() => socket.destroy());
  socket.on('error', () => undefined);
  const head = [
    'POST / HTTP/1.1',
    'host: x',
    'content-type: multipart/form-data; boundary=b',
    'content-length: 900000',
  ];
  const part = ['--b', 'content-disposition: form-data; name="file"; filename="n.jsonl"', '', ''];
  socket.write(`${head.join('\r\n')}\r\n\r\n${part.join('\r\n')}${'x'.repeat(300_000)}`);
  await once(socket, 'connect');
  return socket;
}

describe('an upload', () => {
  it('has its fields and its bytes, in whatever order they come', async () => {
    const { url, ends } = await receiver();
    const life = { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '7200' };
    await fetch(url, { method: 'POST', body: form({ purpose: 'batch', ...life }, 'zwölf\n') });
    const last = form({}, 'x');
    last.append('purpose', 'batch');
    await fetch(url, { method: 'POST', body: last });
    expect(ends).toEqual([
      { fields: { purpose: 'batch', filename: 'night.jsonl', lifeMs: 7_200_000 }, bytes: 7 },
      { fields: { purpose: 'batch', filename: 'night.jsonl', lifeMs: undefined }, bytes: 1 },
    ]);
  });

  it.each<[string, FormData, string | undefined]>([
    ['no purpose', form({}), 'purpose'],
    ['another purpose', form({ purpose: 'fine-tune' }), 'purpose'],
    ['no file', form({ purpose: 'batch' }, null), 'file'],
    ['half an expiry', form({ purpose: 'batch', 'expires_after[seconds]': '7200' }), 'expires_after.anchor'],
  ])('with %s is refused, and leaves nothing', async (_, body, param) => {
    const { url, ends, onDisk } = await receiver();
    await fetch(url, { method: 'POST', body });
    expect(errorOf(ends[0]).details.param).toBe(param);
    await until('nothing is left', () => onDisk().length === 0);
  });

  it('that is no form is refused', async () => {
    const { url, ends } = await receiver();
    await fetch(url, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } });
    expect(errorOf(ends[0]).message).toMatch(/multipart\/form-data, not "text\/plain"/);
  });

  it('whose client hangs up in the middle leaves nothing', async () => {
    const { port, ends, onDisk } = await receiver();
    const socket = await halfSent(port);
    await until('it is being written', () => onDisk().some((name) => name.endsWith('.part')));
    socket.destroy();
    await until('it has ended', () => ends.length === 1);
    expect(errorOf(ends[0]).code).toBe('cancelled');
    await until('nothing is left', () => onDisk().length === 0);
  });

  it('onto a full disk ends at once, not after its last byte', async () => {
    const { port, ends, onDisk } = await receiver(({ files, shelf }) => ({
      ...files,
      write: async (pieces) => {
        symlinkSync('/dev/full', `${shelf.pathOf('file-full')}.part`);
        return { id: 'file-full', bytes: await shelf.write('file-full', pieces) };
      },
    }));
    const socket = await halfSent(port);
    await until('it has ended', () => ends.length === 1);
    expect(errorOf(ends[0]).code).toBe('disk_full');
    expect(onDisk()).toEqual([]);
    socket.destroy();
  });

  it('that is larger than the policy allows ends at once', async () => {
    const { port, ends, onDisk } = await receiver(({ files, shelf }) => ({
      ...files,
      write: async (pieces) => ({ id: 'f', bytes: await shelf.write('f', pieces, 1000) }),
    }));
    await halfSent(port);
    await until('it has ended', () => ends.length === 1);
    expect(errorOf(ends[0]).code).toBe('payload_too_large');
    expect(onDisk()).toEqual([]);
  });
});
