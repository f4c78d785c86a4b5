import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';

/** Longest reply that is held, bytes. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/** A reply that is not a stream, held whole so that a child dying in the middle of it costs the client nothing. */
export class HeldReply {
  readonly #parts: Buffer[] = [];
  #length = 0;

  /** Takes a part in; false where the reply has become too long. */
  push(part: Buffer): boolean {
    this.#length += part.length;
    this.#parts.push(part);
    return this.#length <= REPLY_BYTES_MAX;
  }

  /** All of it so far. */
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** What is said of a reply that does not fit. */
export const replyTooLong = (model: ModelId): GatewayError =>
  new GatewayError(
    'runtime_failed',
    `${model} answered with more than ${REPLY_BYTES_MAX / 1024 / 1024} MiB; ask for less at a time, or use a stream`,
  );
