const CLOSING_BRACE = 0x7d;

/**
 * Puts `x_router` into a complete JSON reply as its last field, leaving every other byte as the engine wrote it.
 * Bytes that do not end with an object are returned unchanged.
 */
export function patchReply(bytes: Buffer, xRouter: string): Buffer {
  const brace = bytes.lastIndexOf(CLOSING_BRACE);
  if (brace === -1) return bytes;
  return Buffer.concat([bytes.subarray(0, brace), Buffer.from(`,"x_router":${xRouter}`), bytes.subarray(brace)]);
}
