import { GatewayError } from '../../core/errors.ts';

/** A parsed JSON object of a request. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for a JSON object, not for an array or null. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True where the client gave a value; null counts as absent. */
export const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** `invalid_request` at a field: what was expected, and what stands there. */
export function wrong(at: string, expected: string, value: unknown): GatewayError {
  const message = isGiven(value) ? `${at} must be ${expected}, not ${shown(value)}` : `${at} is missing: ${expected}`;
  return new GatewayError('invalid_request', message, { param: at });
}

/** `unsupported_feature` at a field: what cannot be served, and what to do instead. */
export const unsupported = (at: string, message: string): GatewayError =>
  new GatewayError('unsupported_feature', `${at}: ${message}`, { param: at });

/** The text at a field. Throws `invalid_request` for anything else. */
export function textAt(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw wrong(at, 'a string', value);
}

/** The object at a field. Throws `invalid_request` for anything else. */
export function fieldsAt(value: unknown, at: string): Fields {
  if (isFields(value)) return value;
  throw wrong(at, 'an object', value);
}

/** The list at a field. Throws `invalid_request` for anything else. */
export function listAt(value: unknown, at: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrong(at, 'an array', value);
}

const SHOWN_MAX = 80;

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  return typeof value === 'object' ? 'an object' : JSON.stringify(value).slice(0, SHOWN_MAX);
}
