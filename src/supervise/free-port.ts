import { createServer } from 'node:net';
import { GatewayError } from '../core/errors.ts';

/**
 * A loopback TCP port that nothing listens on, as the system chooses it. Another program may take it before the child
 * does; the child then fails to start and is started again on a new one.
 */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) =>
      reject(new GatewayError('start_failed', `no free loopback port: ${cause.message}`, { cause })),
    );
    server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
