import { connect, type Socket } from 'node:net';
import type { Clock } from '../../src/core/clock.ts';
import type { PlannedClient } from './scenario.ts';

/** What a client has seen of its answer. */
export type Seen = {
  /** HTTP status; 0 before it has come. */
  status: number;
  bytes: number;
  /** The whole answer has been read: its last event has come. */
  isComplete: boolean;
  /** The server has closed the connection, whole answer or not. */
  isClosed: boolean;
};

/** A client that has asked. */
export interface SlowClient {
  readonly plan: PlannedClient;
  readonly seen: Readonly<Seen>;
  /** Resolves when the connection has ended. Whoever does not read does not notice, and has to be closed. */
  readonly ended: Promise<void>;
  /** Leaves. */
  close(): void;
}

/** What a client is told beside its plan. */
export type SlowClientOptions = {
  readonly url: string;
  readonly body: string;
  readonly clock: Clock;
  readonly slowBytesPerSec: number;
  /** How long `late` clients wait. */
  readonly lateMs: number;
};

const SLOW_READS_PER_SEC = 10;

/**
 * Asks over a raw connection and reads as planned. Each read takes a buffer of the size the plan allows, so that what is
 * not read stays in the system's buffers and holds up the sender, as with a real slow client.
 */
export function startSlowClient(plan: PlannedClient, options: SlowClientOptions): SlowClient {
  const { url, body, clock, slowBytesPerSec, lateMs } = options;
  const seen: Seen = { status: 0, bytes: 0, isComplete: false, isClosed: false };
  const { hostname, port } = new URL(url);
  const isSlow = plan.reading === 'slow';
  const buffer = Buffer.alloc(isSlow ? Math.ceil(slowBytesPerSec / SLOW_READS_PER_SEC) : 65_536);
  const tail = createTail();
  const socket: Socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer,
      callback: (length) => {
        note(seen, tail, buffer.subarray(0, length));
        if (isSlow) clock.after(1000 / SLOW_READS_PER_SEC, () => socket.resume());
        return !isSlow;
      },
    },
  });
  if (plan.reading !== 'fast' && !isSlow) socket.pause();
  if (plan.reading === 'late') clock.after(lateMs, () => socket.resume());
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: slow\r\nconnection: close\r\nx-request-id: ${plan.id}\r\n` +
      `x-router-class: ${plan.class}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      seen.isClosed = true;
      resolve();
    });
  });
  // Being cut off is one of the things that are expected here.
  socket.on('error', () => undefined);
  socket.once('end', () => socket.end());
  return { plan, seen, ended, close: () => socket.destroy() };
}

type Tail = { text: string };
const createTail = (): Tail => ({ text: '' });
const TAIL_CHARS = 64;

function note(seen: Seen, tail: Tail, bytes: Buffer): void {
  seen.bytes += bytes.length;
  const text = tail.text + bytes.toString('latin1');
  if (seen.status === 0) seen.status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  if (text.includes('data: [DONE]')) seen.isComplete = true;
  tail.text = text.slice(-TAIL_CHARS);
}
