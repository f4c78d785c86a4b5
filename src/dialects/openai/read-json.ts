import { GatewayError, messageOf } from '../../core/errors.ts';

/** Deepest nesting accepted. No real request nests over 30; recursive code further on must not overflow its stack. */
export const DEPTH_MAX = 128;

/**
 * Parses a request body that must be one JSON object.
 * Throws `invalid_request` when it is empty, not JSON, not an object, or nested deeper than 128 levels.
 */
export function readJsonObject(bytes: Buffer): Record<string, unknown> {
  if (bytes.length === 0) throw new GatewayError('invalid_request', 'the body is empty; send a JSON object');
  if (nestsTooDeep(bytes)) {
    throw new GatewayError('invalid_request', `the body nests deeper than ${DEPTH_MAX} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new GatewayError('invalid_request', `the body is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError('invalid_request', 'the body must be a JSON object');
  }
  return value as Record<string, unknown>;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** True for JSON text that nests deeper than {@link DEPTH_MAX}: counts brackets outside strings, before a parser sees them. */
export function nestsTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  let index = 0;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === QUOTE) {
      index = endOfString(bytes, index + 1);
      if (index === -1) return false;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > DEPTH_MAX) return true;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    }
    index += 1;
  }
  return false;
}

// Strings are most of a body, and native search skips through them.
function endOfString(bytes: Buffer, from: number): number {
  let end = bytes.indexOf(QUOTE, from);
  while (end !== -1) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = bytes.indexOf(QUOTE, end + 1);
  }
  return -1;
}
