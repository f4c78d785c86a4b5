import { hash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type Listener, SharedReply } from './shared-reply.ts';

/** A request that came with an `Idempotency-Key`. */
export type KeyedRequest = {
  /** Whose key it is: two clients may choose the same. */
  readonly client: string;
  readonly key: string;
  readonly path: string;
  readonly body: Buffer;
};

/** Answers by key, so that a request that is sent again is not run again. */
export interface Idempotency {
  /**
   * The answer that is to be written, where nobody asked with this key before; undefined where the listener gets the
   * answer of the one who did, running or done within the last 60 s. Throws `invalid_request` where the same key stood
   * on another body, and with status 409 where the first answer is too long to be shared and still running.
   */
  take(request: KeyedRequest, listener: Listener): SharedReply | undefined;
  readonly size: number;
}

type Entry = {
  readonly digest: string;
  readonly reply: SharedReply;
  /** Monotonic; undefined while it runs. */
  endedMs: number | undefined;
  bytes: number;
};

/** How long an answer is kept after its end. SDKs try again within seconds. */
export const KEPT_MS = 60_000;
/** Answers kept at most, and their bytes together; the oldest give way. Beyond that many running ones keys do nothing. */
export const ENTRIES_MAX = 1_000;
const BYTES_MAX = 16 * 2 ** 20;
const KEY_CHARS_MAX = 255;

/** Knows no key yet. */
export function createIdempotency(clock: Clock): Idempotency {
  return new Answers(clock);
}

class Answers implements Idempotency {
  readonly #clock: Clock;
  /** In the order of their beginning. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #isSweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  take(request: KeyedRequest, listener: Listener): SharedReply | undefined {
    const { client, key, path, body } = request;
    if (key === '' || key.length > KEY_CHARS_MAX) {
      throw invalid(`Idempotency-Key must have 1 to ${KEY_CHARS_MAX} characters`);
    }
    const name = `${client}\n${path}\n${key}`;
    const digest = hash('sha256', body, 'base64');
    const known = this.#known(name);
    if (known === undefined) return this.#begin(name, digest, listener);
    if (known.digest !== digest) {
      throw invalid('this Idempotency-Key was used with another body; take a new key for a new request');
    }
    if (!known.reply.isOpen) throw tooLongToShare();
    known.reply.join(listener);
    return undefined;
  }

  #known(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry?.endedMs === undefined || this.#clock.monotonicMs() - entry.endedMs < KEPT_MS) return entry;
    this.#forget(name, entry);
    return undefined;
  }

  #begin(name: string, digest: string, listener: Listener): SharedReply {
    const reply = new SharedReply(({ isGood, bytes }) => {
      if (this.#entries.get(name) !== entry) return;
      entry.endedMs = this.#clock.monotonicMs();
      entry.bytes = bytes;
      this.#bytes += bytes;
      // What went wrong may go well the next time; that is why it is sent again.
      if (!isGood) this.#forget(name, entry);
      else this.#makeRoom();
    });
    const entry: Entry = { digest, reply, endedMs: undefined, bytes: 0 };
    reply.join(listener);
    if (this.#entries.size >= ENTRIES_MAX) this.#makeRoom();
    if (this.#entries.size < ENTRIES_MAX) this.#entries.set(name, entry);
    this.#sweepLater();
    return reply;
  }

  #makeRoom(): void {
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size < ENTRIES_MAX && this.#bytes <= BYTES_MAX) return;
      if (entry.endedMs !== undefined) this.#forget(name, entry);
    }
  }

  #forget(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#bytes -= entry.bytes;
  }

  // One timer for all, and only while there is something to forget.
  #sweepLater(): void {
    if (this.#isSweeping || this.#entries.size === 0) return;
    this.#isSweeping = true;
    this.#clock.after(KEPT_MS, () => {
      this.#isSweeping = false;
      for (const name of [...this.#entries.keys()]) this.#known(name);
      this.#sweepLater();
    });
  }
}

const invalid = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param: 'Idempotency-Key', shouldRetry: false });

// SDKs come back after a 409.
const tooLongToShare = (): GatewayError =>
  new GatewayError('invalid_request', 'the first request with this Idempotency-Key is still being answered', {
    param: 'Idempotency-Key',
    status: 409,
    retryAfterMs: 5_000,
  });
