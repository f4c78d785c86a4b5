import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';

/**
 * Reads a request's body whole. Rejects with `payload_too_large` as soon as it is known to be larger than
 * `bytesMax` (from its length header, else while reading), and with `cancelled` when the client leaves.
 */
export function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const declared = Number(incoming.headers['content-length'] ?? Number.NaN);
  if (declared > bytesMax) return Promise.reject(tooLarge(declared, bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        incoming.removeAllListeners('data');
        incoming.pause();
        reject(tooLarge(bytes, bytesMax));
        return;
      }
      chunks.push(chunk);
    });
    incoming.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes)));
    // Also called when the body has been read and the connection ends later. An abort ends here too: without a listener
    // for `error` Node only emits `close`.
    incoming.on('close', () => {
      if (!incoming.complete) reject(new GatewayError('cancelled', 'the client left while sending'));
    });
  });
}

function tooLarge(bytes: number, bytesMax: number): GatewayError {
  return new GatewayError(
    'payload_too_large',
    `the body has ${formatBytes(bytes)} or more; gateway.body_limit allows ${formatBytes(bytesMax)}`,
  );
}
