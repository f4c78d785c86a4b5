import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type Clock, systemClock } from '../core/clock.ts';

/** How long a client may go on sending after its answer; local ones need milliseconds, a slow uplink with full buffers more. */
const LINGER_MS = 2000;

/**
 * Lets clients read the answer to a request whose body was not read: too large, or refused for its key. A connection that is
 * closed with bytes unread is reset by the kernel, and whoever is still sending then sees "connection reset" in place of a
 * 413. So our side is ended, what still comes is thrown away, and the connection closed when the client has ended too,
 * after two seconds at the latest. The clock is the machine's own, because networks keep no simulated time.
 */
export function lingerOnClose(server: Server, clock: Clock = systemClock): void {
  const latest = new WeakMap<Socket, IncomingMessage>();
  server.on('request', (incoming: IncomingMessage) => latest.set(incoming.socket, incoming));
  server.on('connection', (socket: Socket) => {
    // Node's way to close after the last answer on a connection.
    const destroySoon = socket.destroySoon.bind(socket);
    socket.destroySoon = () => {
      const incoming = latest.get(socket);
      if (incoming === undefined || incoming.complete || socket.destroyed) destroySoon();
      else linger(socket, { incoming, destroySoon, clock });
    };
  });
}

type Unread = { readonly incoming: IncomingMessage; readonly destroySoon: () => void; readonly clock: Clock };

function linger(socket: Socket, { incoming, destroySoon, clock }: Unread): void {
  const cancel = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', cancel);
  socket.once('end', destroySoon);
  incoming.once('end', destroySoon);
  socket.end();
  // Nobody listens for its data any more, so they are dropped.
  incoming.resume();
}
