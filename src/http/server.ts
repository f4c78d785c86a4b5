import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Bindings } from './app.ts';

/** A server that listens. */
export interface ListeningServer {
  readonly url: string;
  /** Waits until no answer is under way, at most `drainMs`. New connections are still taken, to be refused politely. */
  drain(drainMs: number, clock: Clock): Promise<void>;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** Listens for an app. Rejects with `invalid_config` where the address or port cannot be had. */
export async function listen(
  app: Hono<Bindings>,
  address: { readonly host: string; readonly port: number },
): Promise<ListeningServer> {
  // Cleaning up after unread bodies is left off: the chat route reads its own from Node's request.
  const server = createServer(getRequestListener(app.fetch, { autoCleanupIncoming: false }));
  let underWay = 0;
  let onIdle: () => void = () => undefined;
  server.on('request', (_, outgoing) => {
    underWay += 1;
    outgoing.once('close', () => {
      underWay -= 1;
      if (underWay === 0) onIdle();
    });
  });
  // A long prefill or an overnight answer must not be cut by the server itself.
  server.requestTimeout = 0;
  server.timeout = 0;
  server.keepAliveTimeout = 65_000;
  await bind(server, address);
  return {
    url: urlOf(server, address.host),
    drain: async (drainMs, clock) => {
      if (underWay === 0) return;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(drainMs, resolve);
        onIdle = () => {
          cancel();
          resolve();
        };
      });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function bind(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const remedy = error.code === 'EADDRINUSE' ? '; stop what uses it, or choose another with --port' : '';
      reject(
        new GatewayError('invalid_config', `cannot listen on ${host}:${port}: ${error.message}${remedy}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host;
  return `http://${shown}:${port}`;
}
