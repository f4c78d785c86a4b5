/*
 * How a worker's replies cross their byte stream: frames of
 *
 *   request, 4 bytes │ length, 4 bytes │ that many bytes          (both little-endian)
 *
 * Bytes of a request are its reply as the client is to have it. Request 0 is the worker itself: a JSON message of
 * `protocol.ts`. One stream for both, so that what was said first is heard first.
 */

/** The file descriptor of the stream in the worker; 3 is Node's IPC channel. */
export const REPLY_FD = 4;

/** The request number of messages. */
export const MESSAGE_FRAME = 0;

const HEADER_BYTES = 8;

/** One frame. */
export function encodeFrame(request: number, text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32LE(request, 0);
  frame.writeUInt32LE(length, 4);
  frame.write(text, HEADER_BYTES);
  return frame;
}

/**
 * Takes the stream as it comes, in pieces of any size, and tells every frame once it is whole. The payload is a view
 * on the piece it came in where it came in one, which is nearly always.
 */
export function createFrameReader(onFrame: (request: number, payload: Buffer) => void): (piece: Buffer) => void {
  let parts: Buffer[] = [];
  let gathered = 0;
  /** Bytes without which there is nothing to read; a long frame is joined once, and not with every piece of it. */
  let needed = HEADER_BYTES;
  return (piece) => {
    gathered += piece.length;
    if (gathered < needed) {
      parts.push(piece);
      return;
    }
    const bytes = parts.length === 0 ? piece : Buffer.concat([...parts, piece], gathered);
    let at = 0;
    needed = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUInt32LE(at + 4);
      if (end > bytes.length) {
        needed = end - at;
        break;
      }
      onFrame(bytes.readUInt32LE(at), bytes.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    parts = at === bytes.length ? [] : [bytes.subarray(at)];
    gathered = bytes.length - at;
  };
}
