/**
 * Where an answer is written: Node's own response in the common case, or several of them at once (see `shared-reply.ts`).
 * Of a response only this is used.
 */
export interface ReplyTarget {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  /** `headers` is name, value, name, value: Node takes that as it is, where an object's keys are looked up one by one. */
  writeHead(status: number, headers: string[]): unknown;
  /** False when the reader is slower than the writer, until `drain`. */
  write(bytes: Buffer | string): boolean;
  end(bytes: Buffer | string): unknown;
  /** `close`: the answer has been taken, or nobody is there any more to take it. */
  once(event: 'drain' | 'close', listener: () => void): unknown;
  destroy(): unknown;
  /** The answer ends with an error after its status has gone out. */
  spoil?(): void;
}
