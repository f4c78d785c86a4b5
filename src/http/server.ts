import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Bindings } from './app.ts';
import { answerClientError } from './client-error.ts';
import type { CrossOrigin } from './cors.ts';
import type { NodeHandler } from './generation.ts';
import { lingerOnClose } from './lingering-close.ts';
import { cutStalledWrites, type StalledWrites } from './stalled-writes.ts';

/** A server that listens. */
export interface ListeningServer {
  readonly url: string;
  /** Waits until no answer is under way, at most `drainMs`. New connections are still taken, to be refused politely. */
  drain(drainMs: number, clock: Clock): Promise<void>;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** What a server serves: the app, and by path what is asked by POST for a generation, which is not the app's. */
export type Served = { readonly app: Hono<Bindings>; readonly generations: ReadonlyMap<string, NodeHandler> };

/** What is done beside answering. */
export type Manners = {
  readonly stalled: StalledWrites;
  readonly receive?: ReceiveLimits;
  /** Default: nothing is said of other origins. */
  readonly crossOrigin?: CrossOrigin;
};

const sameOriginOnly: CrossOrigin = (_, __, next) => next();

/** How long a client may take to send a request, ms. */
export type ReceiveLimits = {
  /** Until its headers are complete. */
  readonly headersMs: number;
  /** Until its body is, too. `readBody` is stricter and answers better; this is for bodies nobody reads. */
  readonly requestMs: number;
  /** How often both are looked at. */
  readonly checkMs: number;
};

const RECEIVE_LIMITS: ReceiveLimits = { headersMs: 30_000, requestMs: 600_000, checkMs: 5000 };

/**
 * Listens for an app. Generations go past it, straight to their handler on Node's own objects: they are nearly all
 * of the traffic, and the app's way through web requests costs a tenth of what such a request costs here.
 * Rejects with `invalid_config` where the address or port cannot be had.
 */
export async function listen(
  { app, generations }: Served,
  address: { readonly host: string; readonly port: number },
  { stalled, receive = RECEIVE_LIMITS, crossOrigin = sameOriginOnly }: Manners,
): Promise<ListeningServer> {
  const others = getRequestListener(app.fetch, { autoCleanupIncoming: false });
  let underWay = 0;
  let onIdle: () => void = () => undefined;
  const ended = () => {
    underWay -= 1;
    if (underWay === 0) onIdle();
  };
  const server = createServer({ connectionsCheckingInterval: receive.checkMs }, (incoming, outgoing) => {
    underWay += 1;
    outgoing.on('close', ended);
    // Neither rejects: both answer their own failures.
    crossOrigin(incoming, outgoing, () => {
      const generation = incoming.method === 'POST' ? generations.get(pathOf(incoming.url)) : undefined;
      if (generation === undefined) void others(incoming, outgoing);
      else void generation(incoming, outgoing);
    });
  });
  // These two end with the last byte of the request: a long prefill or an overnight answer is not cut by them.
  server.headersTimeout = receive.headersMs;
  server.requestTimeout = receive.requestMs;
  server.timeout = 0;
  server.keepAliveTimeout = 65_000;
  server.on('clientError', answerClientError);
  cutStalledWrites(server, stalled);
  lingerOnClose(server);
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

function pathOf(url = ''): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
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
