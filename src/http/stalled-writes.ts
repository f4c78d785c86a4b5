import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { formatDurationMs } from '../core/format.ts';

/** Who watches for clients that have stopped reading, and what is done about one. */
export type StalledWrites = {
  readonly clock: Clock;
  /** How long a client may take nothing, ms. */
  readonly limitMs: () => number;
  /** A connection has been cut; the text says whose and why. */
  readonly onCut: (message: string) => void;
};

const CHECK_MS = 1000;

/**
 * Cuts the connections of clients that take nothing of what is written to them for `limitMs`. What follows is what follows
 * whenever a client leaves: the run is stopped and the lane is free. Back-pressure alone would let such a client keep the
 * lane for ever, because the engine is not read from while its client does not read.
 *
 * "Takes" is what the system took off our hands. It takes in lumps: a client so slow that megabytes lie in the system's
 * buffers may look as if it took nothing for a while, a client that keeps up with its stream never does.
 *
 * Watches connections and not requests, because connections last: requests, which are many, cost nothing here. A timer
 * runs only while there is a connection.
 */
export function cutStalledWrites(server: Server, { clock, limitMs, onCut }: StalledWrites): void {
  const watched = new Map<Socket, Progress>();
  let ticking = false;
  const schedule = () => {
    if (ticking || watched.size === 0) return;
    ticking = true;
    clock.after(CHECK_MS, () => {
      ticking = false;
      const nowMs = clock.monotonicMs();
      for (const [socket, progress] of watched) {
        noteProgress(socket, progress, nowMs);
        const stalledMs = nowMs - progress.sinceMs;
        if (stalledMs < limitMs()) continue;
        const who = `${socket.remoteAddress ?? 'a client'}:${socket.remotePort ?? 0}`;
        onCut(
          `${who} took nothing of its answer for ${formatDurationMs(stalledMs)} and was cut off (gateway.write_timeout)`,
        );
        socket.destroy();
      }
      schedule();
    });
  };
  server.on('connection', (socket: Socket) => {
    watched.set(socket, { sentBytes: 0, queuedBytes: 0, sinceMs: clock.monotonicMs() });
    socket.once('close', () => watched.delete(socket));
    schedule();
  });
}

/** Where a connection stood when bytes last went out, or when there was nothing to send. */
type Progress = { sentBytes: number; queuedBytes: number; sinceMs: number };

// Bytes went out when a write was completed since, or when less of the one under way is left.
function noteProgress(socket: Socket, progress: Progress, nowMs: number): void {
  const sentBytes = socket.bytesWritten - socket.writableLength;
  const queuedBytes = queuedBytesOf(socket);
  const moved = sentBytes > progress.sentBytes || queuedBytes < progress.queuedBytes;
  progress.sentBytes = sentBytes;
  progress.queuedBytes = queuedBytes;
  if (moved || socket.writableLength === 0) progress.sinceMs = nowMs;
}

/**
 * What is left of the write under way. Node's own socket time-outs look at this, by the same name, and offer it nowhere
 * else; a socket without it counts whole writes only, which is too strict for one large reply to a slow client.
 */
function queuedBytesOf(socket: Socket): number {
  return (socket as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0;
}
