import type { IncomingMessage } from 'node:http';
import { type Clock, systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';

/** A body has this long whatever its size: a phone that wakes up, a laptop that swaps. */
const GRACE_MS = 30_000;
/** After that it must have come at least this fast on the whole; slower than any network worth the name. */
const BYTES_PER_MS_MIN = 50;

/**
 * Reads a request's body whole. Rejects with `payload_too_large` as soon as it is known to be larger than
 * `bytesMax` (from its length header, else while reading), with `invalid_request` and status 408 when it comes more slowly
 * than 50 kB/s after half a minute, and with `cancelled` when the client leaves. The clock is the machine's own, also
 * where a simulated board is served at many times its speed: clients and networks are no faster then.
 */
export function readBody(incoming: IncomingMessage, bytesMax: number, clock: Clock = systemClock): Promise<Buffer> {
  const declared = Number(incoming.headers['content-length'] ?? Number.NaN);
  if (declared > bytesMax) return Promise.reject(tooLarge(declared, bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const refuse = (error: GatewayError) => {
      cancelTimer();
      incoming.removeAllListeners('data');
      incoming.pause();
      reject(error);
    };
    let cancelTimer = watchPace(clock, {
      bytes: () => bytes,
      renew: (cancel) => {
        cancelTimer = cancel;
      },
      tooSlow: () => refuse(tooSlow(bytes)),
    });
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) refuse(tooLarge(bytes, bytesMax));
      else chunks.push(chunk);
    });
    incoming.on('end', () => {
      cancelTimer();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
    });
    // Also called when the body has been read and the connection ends later. An abort ends here too: without a listener
    // for `error` Node only emits `close`.
    incoming.on('close', () => {
      cancelTimer();
      if (!incoming.complete) reject(new GatewayError('cancelled', 'the client left while sending'));
    });
  });
}

type Pace = {
  readonly bytes: () => number;
  readonly renew: (cancel: () => void) => void;
  readonly tooSlow: () => void;
};

// One timer at a time: when it runs out, what has come meanwhile either earned the body more time or did not.
function watchPace(clock: Clock, { bytes, renew, tooSlow }: Pace): () => void {
  const startMs = clock.monotonicMs();
  const check = () => {
    const leftMs = startMs + GRACE_MS + bytes() / BYTES_PER_MS_MIN - clock.monotonicMs();
    // Timers may come a moment early.
    if (leftMs > 1) renew(clock.after(leftMs, check));
    else tooSlow();
  };
  return clock.after(GRACE_MS, check);
}

function tooSlow(bytes: number): GatewayError {
  return new GatewayError(
    'invalid_request',
    `the body did not arrive: ${formatBytes(bytes)} after more than ${GRACE_MS / 1000} s; send it faster, or in full`,
    { status: 408 },
  );
}

function tooLarge(bytes: number, bytesMax: number): GatewayError {
  return new GatewayError(
    'payload_too_large',
    `the body has ${formatBytes(bytes)} or more; gateway.body_limit allows ${formatBytes(bytesMax)}`,
  );
}
