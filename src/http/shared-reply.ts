import type { ServerResponse } from 'node:http';
import type { ReplyTarget } from './reply-target.ts';

/** What a listener needs of a response. */
export type Listener = Pick<
  ServerResponse,
  'headersSent' | 'destroyed' | 'writableNeedDrain' | 'writeHead' | 'write' | 'end' | 'once' | 'destroy'
>;

/** How the first answer to a key ended. */
export type SharedEnd = { readonly isGood: boolean; readonly bytes: number };

const REPLAYED = ['idempotent-replayed', 'true'] as const;
/** Longest answer that is kept for those who come later, bytes; those who listen already get all of a longer one. */
const KEPT_BYTES_MAX = 2 ** 20;

/**
 * One answer for all who ask the same with the same key: written to each of them as it comes, and kept from its beginning
 * for whoever comes later. The slowest listener sets the pace. Nobody is there any more when the last one has left.
 */
export class SharedReply implements ReplyTarget {
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  readonly #onEnd: (end: SharedEnd) => void;
  readonly #listeners = new Set<Listener>();
  readonly #onDrain: (() => void)[] = [];
  readonly #onClose: (() => void)[] = [];
  #head: { readonly status: number; readonly headers: string[] } | undefined;
  #kept: Buffer[] | undefined = [];
  #bytes = 0;
  #isSpoiled = false;
  #isClosed = false;

  constructor(onEnd: (end: SharedEnd) => void) {
    this.#onEnd = onEnd;
  }

  /** False where the beginning of the answer is not kept any more, so that nobody can join. */
  get isOpen(): boolean {
    return this.#kept !== undefined;
  }

  /** Gives a listener what there is so far, and all that comes. */
  join(listener: Listener): void {
    this.#listeners.add(listener);
    listener.once('close', () => this.#left(listener));
    if (this.#head === undefined) return;
    const isLate = this.#listeners.size > 1 || this.writableEnded;
    const headers = isLate ? [...this.#head.headers, ...REPLAYED] : this.#head.headers;
    listener.writeHead(this.#head.status, headers);
    const kept = Buffer.concat(this.#kept ?? []);
    if (this.writableEnded) listener.end(kept);
    else if (kept.length > 0) listener.write(kept);
  }

  writeHead(status: number, headers: string[]): void {
    this.headersSent = true;
    this.#head = { status, headers };
    let isFirst = true;
    for (const listener of this.#listeners) {
      listener.writeHead(status, isFirst ? headers : [...headers, ...REPLAYED]);
      isFirst = false;
    }
  }

  write(bytes: Buffer | string): boolean {
    this.#keep(bytes);
    let isFree = true;
    for (const listener of this.#listeners) {
      if (listener.write(bytes)) continue;
      isFree = false;
      listener.once('drain', () => this.#drained());
    }
    return isFree;
  }

  end(bytes: Buffer | string): void {
    this.#keep(bytes);
    this.writableEnded = true;
    for (const listener of this.#listeners) listener.end(bytes);
    this.#onEnd({ isGood: this.#head?.status === 200 && !this.#isSpoiled && this.isOpen, bytes: this.#bytes });
    // Whoever writes the end is still busy with it.
    process.nextTick(() => this.#close());
  }

  once(event: 'drain' | 'close', listener: () => void): void {
    (event === 'drain' ? this.#onDrain : this.#onClose).push(listener);
  }

  destroy(): void {
    for (const listener of this.#listeners) listener.destroy();
  }

  spoil(): void {
    this.#isSpoiled = true;
  }

  // A copy: what comes off a socket is part of a large buffer, which would be kept with it.
  #keep(bytes: Buffer | string): void {
    if (this.#kept === undefined) return;
    this.#bytes += bytes.length;
    if (this.#bytes > KEPT_BYTES_MAX) this.#kept = undefined;
    else this.#kept.push(Buffer.from(bytes as string));
  }

  #left(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.writableEnded) return;
    if (this.#listeners.size > 0) {
      this.#drained();
      return;
    }
    this.destroyed = true;
    this.#onEnd({ isGood: false, bytes: this.#bytes });
    this.#close();
  }

  #drained(): void {
    for (const { writableNeedDrain } of this.#listeners) if (writableNeedDrain) return;
    for (const resume of this.#onDrain.splice(0)) resume();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const close of this.#onClose.splice(0)) close();
  }
}
